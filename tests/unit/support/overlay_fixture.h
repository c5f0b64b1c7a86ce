/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_OVERLAY_FIXTURE_H
#define MAPFS_TESTS_UNIT_SUPPORT_OVERLAY_FIXTURE_H

/*
 * A base with a few objects and a copy view of it, for tests through the
 * core's door, without FUSE.
 *
 * Lifetime: overlay_fixture_begin() to overlay_fixture_end(), as set-up and
 *           end of a test; open_copy() to close_copy() in between.
 * Errors:   fail the test.
 * Locking:  none; one thread.
 */
#include "door.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/lib/fault.h"

#define BIG_BYTES (64U << 12)

struct fixture {
	char dir[64];
	char base[96];
	char store[96];
	struct mapfs_view *v;
};

/* A user who is not the one that runs the test. */
extern const struct mapfs_cred nobody;

/* A test with this set-up in its state. */
#define test_with_copy(fn)                                         \
	cmocka_unit_test_setup_teardown(fn, overlay_fixture_begin, \
					overlay_fixture_end)

int overlay_fixture_begin(void **state);
/* The same with base and store below `where`, for a certain file system. */
int overlay_fixture_begin_in(void **state, const char *where);
int overlay_fixture_end(void **state);

/* Makes DIR/NAME with these bytes, or replaces its content. */
void put_file(const char *dir, const char *name, const void *buf, size_t len);

/* Opens f->v; try_open_copy() returns the error and fills `why`. */
int try_open_copy(struct fixture *f, enum mapfs_store_kind kind,
		  struct reason *why);
void open_copy(struct fixture *f, enum mapfs_store_kind kind);
void close_copy(struct fixture *f);
/* Closes the view and opens its kept store again. */
void reopen_copy(struct fixture *f);

mapfs_ino root_ino(struct fixture *f);
/* The inode of a name that must exist; its lookup stays counted. */
mapfs_ino ino_of(struct fixture *f, mapfs_ino dir, const char *name);

void assert_content(struct fixture *f, mapfs_ino ino, uint64_t off,
		    const char *want, size_t len);
void assert_base_untouched(struct fixture *f);

#endif

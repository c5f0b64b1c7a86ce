/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_DIFF_FIXTURE_H
#define MAPFS_TESTS_UNIT_SUPPORT_DIFF_FIXTURE_H

/*
 * A base with one object of each kind, a view of it that is changed by paths,
 * and its comparison as lines of text:
 *
 *   LETTER TYPE WHAT PATH[ < OLD_PATH]
 *
 * TYPE is one of f d l p; WHAT is a choice of c m o t x, or "-".
 *
 *   a          "aaaa"            l -> a        all of mtime 1000.5 ns
 *   big        16 pages of 'b'      hard, d/hard, d/e/hard: one file
 *   d/f "ffff"  d/e/g "gggg"  empty/
 *
 * Lifetime: setup() and teardown() of each test, whose state is the fixture.
 * Errors:   anything unexpected fails the test.
 * Locking:  none.
 */
#include "core/mapfs.h"

#define BIG_PAGES 16U

struct fixture {
	char dir[64];
	char base[96];
	char store[96];
	struct mapfs_view *v;
	struct mapfs_diff_options opt;
	char text[65536];
	uint64_t pages; /* of the last entry */
	uint64_t bytes;
	char ranges[256];
};

int setup(void **state);
int teardown(void **state);
/* Writes a file of the base; its mtime is that of all others. */
void put_base(struct fixture *f, const char *path, const void *buf, size_t len);
/* A view with a store that is kept instead of the first view. */
void keep_store(struct fixture *f);
void take_snapshot(struct fixture *f, const char *name);
struct mapfs_view *open_snapshot(struct fixture *f, const char *name);

/* Changes of the view. */
mapfs_ino look(struct fixture *f, const char *path);
void make_dir(struct fixture *f, const char *path);
void make_file(struct fixture *f, const char *path, const char *text);
void make_link(struct fixture *f, const char *path, const char *target);
void hard_link(struct fixture *f, const char *from, const char *to);
void put(struct fixture *f, const char *path, const char *text, uint64_t off);
void set_attr(struct fixture *f, const char *path,
	      const struct mapfs_setattr *set);
/* The mtime that all files of the base have. */
void set_old_mtime(struct fixture *f, const char *path);
void set_size(struct fixture *f, const char *path, uint64_t size);
void set_mode(struct fixture *f, const char *path, mode_t mode);
void move(struct fixture *f, const char *from, const char *to,
	  unsigned int flags);
void take(struct fixture *f, const char *path);
/* Removes d and everything in it. */
void take_d(struct fixture *f);

/* A mapfs_diff_fn whose `arg` is the fixture: appends a line to its text. */
int write_entry(void *arg, const struct mapfs_diff_entry *e);
void assert_diff_of(struct fixture *f, struct mapfs_view *from,
		    struct mapfs_view *to, const char *want);
/* Of the base and the view. */
void assert_diff(struct fixture *f, const char *want);

#endif

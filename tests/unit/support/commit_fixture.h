/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_COMMIT_FIXTURE_H
#define MAPFS_TESTS_UNIT_SUPPORT_COMMIT_FIXTURE_H

/*
 * A base, a store and a view of them, to be changed, committed and undone.
 *
 * Lifetime: fixture_create() .. fixture_destroy(), which removes all files.
 *           The base is not made: each test makes its own.
 * Errors:   failed assertions, but for try_commit(), try_undo() and
 *           commit_path(), which return what the call returned.
 * Locking:  one thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/mapfs.h"

struct fixture {
	char dir[64];
	char base[96];
	char store[96];
	struct reason why;
	struct mapfs_view *v; /* by open_view(); else NULL */
	/* Texts for tests that need them, freed with the fixture. */
	char *before;  /* the base before any change */
	char *changed; /* the view after its changes */
};

/* In memory, where there is a file system for that. */
struct fixture *fixture_create(void);
struct fixture *fixture_create_on_disk(void);
/* The store is on a disk from now on; false: so is the base. */
bool fixture_move_store(struct fixture *f);
void fixture_destroy(struct fixture *f);
/* The same, for cmocka. */
int fixture_teardown(void **state);

/* --- the base --------------------------------------------------------- */

/* A path in the base; borrowed, for the next four calls. */
const char *b_path(const struct fixture *f, const char *path);
/* Writes `len` bytes of `fill` at `off` of a file, which is made if need be. */
void b_put(const struct fixture *f, const char *path, char fill, size_t len,
	   off_t off);
void remove_tree(const char *path);
/* As tree_text.h. */
char *base_text(const struct fixture *f);
void assert_base(const struct fixture *f, const char *want, const char *what);

/* --- the view --------------------------------------------------------- */

void open_view(struct fixture *f);
void close_view(struct fixture *f);
char *view_text(const struct fixture *f);
/* Opens and closes the view; `is_changed`: its delta has something. */
void assert_view(struct fixture *f, const char *want, bool is_changed,
		 const char *what);
/* The inode of a path of the view. */
mapfs_ino at(struct fixture *f, const char *path);
void v_write(struct fixture *f, const char *path, const char *buf, size_t len,
	     uint64_t off);
void v_put(struct fixture *f, const char *path, const char *text);
void v_mkdir(struct fixture *f, const char *path);
void v_symlink(struct fixture *f, const char *path, const char *target);
void v_link(struct fixture *f, const char *from, const char *to);
void v_unlink(struct fixture *f, const char *path);
void v_rmdir(struct fixture *f, const char *path);
void v_rename(struct fixture *f, const char *from, const char *to,
	      unsigned int flags);
void v_set(struct fixture *f, const char *path,
	   const struct mapfs_setattr *set);

/* --- committing ------------------------------------------------------- */

struct mapfs_commit_options commit_options(const struct fixture *f,
					   enum mapfs_resolution resolution);
int try_commit(struct fixture *f, enum mapfs_resolution resolution);
void commit(struct fixture *f, enum mapfs_resolution resolution);
/* Only these paths, and what is below them. */
int commit_paths(struct fixture *f, const char *const *paths, size_t count);
int commit_path(struct fixture *f, const char *path);
int try_undo(struct fixture *f);
void undo(struct fixture *f);

/* Calls fn(arg) in a child, as an ordinary user even if this is root. */
void run_as_user(void (*fn)(void *arg), void *arg);

#endif

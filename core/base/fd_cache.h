/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_FD_CACHE_H
#define MAPFS_CORE_BASE_FD_CACHE_H

/*
 * A cache of open descriptors of base objects, so that a tree of any size is
 * served with a bounded number of them.  A descriptor in use is never closed.
 * An idle one stays open until there are too many idle ones, or until another
 * call runs out of descriptors.
 *
 * Lifetime: fd_cache_create() .. fd_cache_destroy() (accepts NULL).  A struct
 *           base_fd is held from fd_cache_get() or fd_cache_add() to
 *           fd_cache_put(); its descriptor and its mapping are borrowed until
 *           then.
 * Errors:   0 or a negative errno.
 * Locking:  RANK_BASE, taken by every call; not held while a file is closed.
 */
#include "core/lib/types.h"

struct base_fd;
struct fd_cache;
struct mapping;

enum base_want {
	BASE_PATH, /* O_PATH: any type of object */
	BASE_READ, /* O_RDONLY: files and directories */
};

/* `base_path` is for messages; borrowed until fd_cache_destroy(). */
int must_check fd_cache_create(struct fd_cache **out, const char *base_path);
void fd_cache_destroy(struct fd_cache *c);
/* The descriptor of the inode if it is open, else NULL. */
struct base_fd *fd_cache_get(struct fd_cache *c, mapfs_ino ino,
			     enum base_want want);
/*
 * Adds `fd`, which is taken even if the call fails.  If another thread has
 * added one for the same inode first, *out is that one.
 */
int must_check fd_cache_add(struct fd_cache *c, mapfs_ino ino,
			    enum base_want want, int fd, struct base_fd **out);
int base_fd_of(const struct base_fd *f);
/* The mapping of the file, made by the first call; NULL: it has none. */
struct mapping *fd_cache_mapping(struct fd_cache *c, struct base_fd *f);
void fd_cache_put(struct fd_cache *c, struct base_fd *f);
/* Removes what is cached of the inode; a held descriptor closes when put. */
void fd_cache_remove(struct fd_cache *c, mapfs_ino ino);
/*
 * After a system call failed with `err`: true if it failed because no
 * descriptor was left, and idle ones were closed, so that it can be repeated.
 * If none was idle, logs that and returns false.
 */
bool fd_cache_may_try_again(struct fd_cache *c, int err);
/* Logs, at most once a minute, that no descriptor is left. */
void fd_cache_say_full(struct fd_cache *c, int err);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_ROOT_H
#define MAPFS_CORE_BASE_ROOT_H

/*
 * The root of the base, and the way to open what lies below it [S2].  The base
 * is a directory, or a file: then the root is the directory above, which shows
 * this file alone (only_file.h).
 *
 * The root is opened once, before mounting.  Every later access is relative
 * to a descriptor of it or of a directory below it.  With BASE_FROZEN (read
 * and copy mode) the root is, where the kernel allows it, a private clone of
 * the base's mount, read-only and noatime, so that not even a timestamp can
 * change [B1]; elsewhere O_NOATIME is used where it is allowed.
 *
 * Lifetime: base_open(), base_open_absent() or base_open_none() ..
 *           base_close() (accepts NULL).
 * Errors:   0 or a negative errno.
 * Locking:  none; what is set here is fixed while the base is open.
 */
#include <time.h>

#include "core/lib/types.h"

struct base;
struct reason;
struct base_identity;
struct itable;

enum base_flags {
	BASE_FROZEN = 1 << 0, /* nothing of the base may change through us */
	/* What reads do to access times; default: as the base's mount says. */
	BASE_NOATIME = 1 << 1,	  /* nothing, where that is allowed */
	BASE_NODIRATIME = 1 << 2, /* the same for directories only */
	BASE_RELATIME = 1 << 3,	  /* -EPERM: its mount has another rule */
	/* Generations of inodes are those of file handles, not of births. */
	BASE_HANDLES = 1 << 4,
};

/* -EMEDIUMTYPE: neither a directory nor a regular file nor a block device. */
int must_check base_open(struct base **out, const char *path,
			 unsigned int flags);
/* The same base once more, whatever is at its path by now. */
int must_check base_open_again(struct base **out, const struct base *from);
/* Sets the sentence for an error of base_open(). */
void base_explain(struct reason *why, const char *path, int err);
/*
 * A base without a root, for a store whose base cannot be reached: every
 * object is reported as lost (-ESTALE).  `path` is for messages.
 */
int must_check base_open_absent(struct base **out, const char *path);
bool base_is_absent(const struct base *b);
/*
 * An empty directory that exists nowhere, for a view without a base.  The
 * caller's user has made it now, unless base_set_maker() says otherwise.
 */
int must_check base_open_none(struct base **out);
bool base_is_none(const struct base *b);
/* As the store has recorded it; to be called before the root is asked for. */
void base_set_maker(struct base *b, const struct base_identity *made);
/* The table of the view's inodes; set once before use, borrowed. */
void base_set_itable(struct base *b, struct itable *t);
void base_close(struct base *b);

/* The absolute path when it was opened; for messages, never resolved again. */
const char *base_path(const struct base *b);
/* O_PATH descriptor of the root, borrowed; -1: it is absent, or none. */
int base_root_fd(const struct base *b);
/* The same of the base itself, the directory or the file. */
int base_own_fd(const struct base *b);
/* The name of the file in the root; NULL: the base is a directory. */
const char *base_file_name(const struct base *b);
bool base_is_device(const struct base *b);
/* Of a base that is not absent. */
int must_check base_get_identity(const struct base *b,
				 struct base_identity *out);
/* May the base's file system have to ask a server or another process? */
bool base_is_remote(const struct base *b);
/* Do opens of files leave access times alone? */
bool base_is_noatime(const struct base *b);
/* Would the mount's rule move the access time of a file that is read now? */
bool base_read_moves_atime(const struct base *b, const struct timespec *atime,
			   const struct timespec *mtime,
			   const struct timespec *ctime);

/*
 * beneath_open() with the base's rule for access times.  If no descriptor is
 * left, idle ones of the cache are closed and the call is repeated.
 */
int must_check base_openat(struct base *b, int dirfd, const char *path,
			   int flags, int *fd);
/* fd_cache_may_try_again() for a system call that the caller made itself. */
bool base_may_try_again(struct base *b, int err);
/* fd_cache_say_full(), for a caller that does not repeat its call. */
void base_say_full(struct base *b, int err);

#endif

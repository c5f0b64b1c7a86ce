/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_BASE_H
#define MAPFS_CORE_BASE_BASE_H

/*
 * The directory below a view: resolution that can never leave it [S2],
 * a bounded cache of descriptors, and reads.
 *
 * Every access is relative to a descriptor opened before mounting, with
 * openat2(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
 * RESOLVE_NO_XDEV) and O_NOFOLLOW.  With BASE_FROZEN (read and copy mode) the
 * base is, where the kernel allows, a private clone of its mount, read-only
 * and noatime, so that not even a timestamp can change [B1]; elsewhere
 * O_NOATIME is used where allowed.
 * A directory on another file system (a mount point, another subvolume) is
 * "foreign": it shows as an empty directory.  A file that another one is
 * mounted over does not show (-ENOENT).  Neither is ever asked anything, so
 * a dead server or our own mount below the base cannot hold us up.  A private
 * clone has no mounts in it: there the covered directory shows, as it is.
 *
 * Lifetime: base_open() .. base_close() (accepts NULL).  A struct base_fd is
 *           held from base_hold() to base_put().
 * Errors:   0 or a negative errno.  -ESTALE: the object is not where it was,
 *           or another one is there now.
 * Locking:  takes RANK_BASE and RANK_ITABLE for moments; none across a system
 *           call on the base.
 */
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/lib/types.h"
#include "identity.h"
#include "inode.h"

struct base;
struct base_fd;
struct base_listing;

enum base_flags {
	BASE_FROZEN = 1 << 0, /* nothing of it may change through us */
	/* What reading does to access times; else as its mount has it. */
	BASE_NOATIME = 1 << 1,	  /* as far as that can be, nothing */
	BASE_NODIRATIME = 1 << 2, /* the same for directories */
	BASE_RELATIME = 1 << 3,	  /* -EPERM: its mount has another rule */
	/* Generations of inodes are those of file handles, not of births. */
	BASE_HANDLES = 1 << 4,
};

enum base_want {
	BASE_PATH, /* O_PATH: any type of object */
	BASE_READ, /* O_RDONLY: files and directories */
};

int must_check base_open(struct base **out, const char *path,
			 unsigned int flags);
/*
 * One that nobody can look at: of every object it says that it is lost.
 * `path` is for people.
 */
int must_check base_open_absent(struct base **out, const char *path);
bool base_is_absent(const struct base *b);
void base_close(struct base *b);
/* The itable that names objects; set once before use. Borrowed. */
void base_set_itable(struct base *b, struct itable *t);
/* Absolute path the base had when opened; for people, never resolved again. */
const char *base_path(const struct base *b);
/* O_PATH descriptor of the root, borrowed; -1: it is absent. */
int base_root_fd(const struct base *b);

/*
 * statx of `name` in the directory `dir` (of `dir` itself, which may then be
 * any object but a foreign one, when name is NULL), symbolic links not
 * followed.  *foreign: another file system; stx_ino is then
 * base_foreign_ino(), the rest is what the directory mounted there says.
 */
int must_check base_stat(struct base *b, struct inode *dir, const char *name,
			 struct statx *out, bool *foreign);
/*
 * A mount point inside the base shows as an empty directory.  The number of
 * the inode mounted there belongs to another file system, so it gets one of
 * its own, made of where it is.
 */
mapfs_ino base_foreign_ino(const struct inode *dir, const char *name);
/* Is what looks like this the object of the inode? */
bool base_is_of(const struct inode *i, const struct statx *stx);
/*
 * Is the inode's object at its place, asked of the base once more?  -ESTALE:
 * it is not, though a descriptor of it may still be open.
 */
int must_check base_look(struct base *b, struct inode *i);
/*
 * 32 bits that differ when an inode number is used again later than within
 * one tick of the clock; 0 if unknown.  Stores keep them.
 */
uint64_t base_generation(const struct statx *stx);
/* Its 512-byte blocks; never 0 for a file that may have data. */
uint64_t base_blocks(const struct statx *stx);
/*
 * As base_stat() of a name, with 32 bits that differ whenever the number is
 * used again, where the file system can tell (else base_generation()).
 */
int must_check base_stat_generation(struct base *b, struct inode *dir,
				    const char *name, struct statx *out,
				    bool *foreign, uint64_t *generation);
/* These bits for the object of a descriptor. */
uint64_t base_generation_of_fd(const struct base *b, int fd,
			       const struct statx *stx);

/*
 * A descriptor of the inode's object, from the cache or opened now, and then
 * verified to be the inode.  BASE_READ: -EINVAL for what is neither file nor
 * directory, because opening it could do something.
 */
int must_check base_hold(struct base *b, struct inode *i, enum base_want want,
			 struct base_fd **out);
int base_fd_of(const struct base_fd *f);
void base_put(struct base *b, struct base_fd *f);
/*
 * After a call that wants a descriptor failed with `err`: true when it was for
 * want of one and some idle ones were closed; else says so in the log.
 */
bool base_may_try_again(struct base *b, int err);
/* Logs, once in a while, that descriptors are all in use. */
void base_say_full(struct base *b, int err);
/* Is what was opened to leave access times alone? */
bool base_is_noatime(const struct base *b);
/* Would a read of the object move its access time? */
bool base_read_moves_atime(const struct base *b, const struct timespec *atime,
			   const struct timespec *mtime,
			   const struct timespec *ctime);
/* Is the base's file system somebody else's too? */
bool base_is_remote(const struct base *b);
/* Drops cached descriptors of the inode (unlinked, replaced, forgotten). */
void base_uncache(struct base *b, const struct inode *i);
/*
 * Between these a rename, an unlink or the like of our own may make an inode
 * unreachable by the place it is known at; who runs into that tries again.
 */
void base_move_begin(struct base *b);
void base_move_end(struct base *b);
/*
 * Opens the inode's object afresh with open(2) `flags` (access mode, O_SYNC,
 * O_DSYNC; write mode handles); the caller owns *fd.
 */
int must_check base_reopen(struct base *b, struct inode *i, int flags, int *fd);

/*
 * File data at `off`: a count, short at the end of the file.  Small files by
 * pread, large ones out of mapped windows.
 */
ssize_t must_check base_read(struct base *b, struct inode *i, void *buf,
			     size_t len, uint64_t off);
/* SEEK_DATA/SEEK_HOLE on the base file; -ENXIO as lseek(2). */
int must_check base_seek(struct base *b, struct inode *i, uint64_t off,
			 int whence, uint64_t *out);
ssize_t must_check base_readlink(struct base *b, struct inode *i, char *buf,
				 size_t len);
/* Sizes as getxattr(2). Works on symbolic links and unreadable files too. */
ssize_t must_check base_getxattr(struct base *b, struct inode *i,
				 const char *name, void *buf, size_t len);
ssize_t must_check base_listxattr(struct base *b, struct inode *i, char *buf,
				  size_t len);

/*
 * One name of a base directory; return non-zero to stop with that result, or
 * BASE_SKIPPED to go on without having used the name.
 */
#define BASE_SKIPPED INT_MIN
typedef int (*base_dirent_fn)(void *arg, const char *name, uint64_t ino,
			      mode_t type, uint64_t cookie);
/*
 * Names behind `cookie` (0: all), "." and ".." included.  Type is S_IFMT bits
 * (asked from the object when the directory does not say), `ino` what
 * base_stat() would say (".." of the root excepted).  Cookies are the base's
 * own d_off.
 */
int must_check base_readdir(struct base *b, struct inode *dir, uint64_t cookie,
			    base_dirent_fn fn, void *arg);
/*
 * The same for one reader, in parts: each call tells some names behind
 * `cookie`; none, if there are no more.  What comes after the first part is
 * what the base says of a directory that was opened once.  `dir` and `b` are
 * the same in each call.  Not for two threads at once.
 */
int must_check base_listing_create(struct base_listing **out);
void base_listing_destroy(struct base_listing *l); /* accepts NULL */
int must_check base_listing_read(struct base *b, struct inode *dir,
				 struct base_listing *l, uint64_t cookie,
				 base_dirent_fn fn, void *arg);
/*
 * What base_find() asks of the view.  A lookup gives a hold that put() ends;
 * none counts anything for the kernel.
 */
struct base_finder {
	void *arg;
	/* A directory of the base below `dir`, hidden or not; 0 and NULL as
	   well as -ENOENT: there is none. */
	int (*enter)(void *arg, struct inode *dir, const char *name,
		     struct inode **out);
	/* What the view shows as `name` in `dir`; -ENOENT: nothing. */
	int (*look)(void *arg, struct inode *dir, const char *name,
		    struct inode **out);
	/* Is the directory certainly part of what the view shows? */
	bool (*shows)(void *arg, struct inode *dir);
	void (*put)(void *arg, struct inode *i);
};

/*
 * The object with this number, with a hold, if it has a name in the base that
 * shows in the view.  -ESTALE: there is none; -EAGAIN: it takes a walk over
 * the whole base, which it may not.
 */
int must_check base_find(struct base *b, const struct base_finder *f,
			 mapfs_ino ino, bool may_walk, struct inode **out);
/* Ends walks, and lets none begin. */
void base_interrupt(struct base *b);
/* The object is gone for good: its number need not be looked for. */
void base_gone(struct base *b, const struct inode *i);
int must_check base_statfs(struct base *b, struct statvfs *out);

#endif

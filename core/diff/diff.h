/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIFF_DIFF_H
#define MAPFS_CORE_DIFF_DIFF_H

/*
 * What differs between a copy view and its base, or between two views of the
 * same base.  The cost grows with what is in the delta, never with the base
 * (but when a changed file has hard links in the base that the view never
 * met: finding their names takes a walk).
 *
 * Lifetime: entries and their strings are borrowed until the callback
 *           returns.
 * Errors:   0 or a negative errno; what `fn` returns other than 0 stops and
 *           is returned.
 * Locking:  both views stay usable; changes of `to` wait while names are
 *           compared.
 */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "core/lib/types.h"

struct mapfs_view;

enum mapfs_change {
	MAPFS_ADDED = 'A',
	MAPFS_MODIFIED = 'M',
	MAPFS_DELETED = 'D',
	MAPFS_RENAMED = 'R', /* the same inode under another name */
	MAPFS_RETYPED = 'T', /* the name means another type of object */
};

/* In what an object differs that is there on both sides. */
enum mapfs_what {
	MAPFS_WHAT_CONTENT = 1 << 0, /* bytes, size, link target, device */
	MAPFS_WHAT_MODE = 1 << 1,
	MAPFS_WHAT_OWNER = 1 << 2,
	MAPFS_WHAT_TIME = 1 << 3, /* modification time */
	MAPFS_WHAT_XATTR = 1 << 4,
};

struct mapfs_range {
	uint64_t off_bytes;
	uint64_t len_bytes;
};

/* One side of an entry; all zero where the object is not there. */
struct mapfs_diff_side {
	mapfs_ino ino;
	mode_t mode; /* type and permissions */
	uid_t uid;
	gid_t gid;
	uint32_t nlink;
	uint64_t size_bytes;
	struct timespec mtime;
	uint64_t rdev;	     /* of devices; major in the high half */
	bool has_capability; /* a file with security.capability */
};

struct mapfs_diff_entry {
	enum mapfs_change change;
	unsigned int what;    /* enum mapfs_what, or-ed; M, R and T */
	const char *path;     /* without leading '/'; "" is the root */
	const char *old_path; /* R: where it was; else the same as path,
				 which differs below a renamed directory */
	struct mapfs_diff_side old_side;
	struct mapfs_diff_side new_side;
	uint64_t pages; /* pages of 4096 bytes that really differ */
	uint64_t bytes; /* bytes that really differ, counted singly */
	const struct mapfs_range *ranges; /* with want_ranges */
	size_t range_count;
};

typedef int (*mapfs_diff_fn)(void *arg, const struct mapfs_diff_entry *e);

struct mapfs_diff_options {
	bool want_ranges;	  /* fill `ranges` */
	bool want_tree;		  /* one entry for each object below an added,
				  deleted or retyped directory; else A and D
				  of a directory stand for all below it only
				  where the directory is one of the base */
	const char *const *paths; /* only these, what is below, and a directory
				     above whose entry stands for them;
				     NULL: all */
	size_t path_count;
	/* Called now and then with bytes compared; non-zero: stop with it. */
	int (*progress)(void *arg, uint64_t done_bytes);
	void *progress_arg;
};

/*
 * Each difference once, in order of path (bytes compared).  `from` NULL: the
 * base of `to`.  Content is compared, so a page written with the bytes it had
 * is no change, and neither is an object that ends as it began.  Both are
 * copy views (-EINVAL) of one base (-EXDEV).
 *
 * Of a view opened without its base: what it hides or replaced there is D or T
 * without a side before, and all that is in its delta is M at least.
 *
 * No object of either side is in two entries.  A directory is followed by
 * identity: in another place it is one R, also where something else had that
 * place (which is then D, or R itself), and what is in it is only listed if
 * it changed on its own.  Everything else belongs to its name: names on both
 * sides are M or T; of a file that lost one name and got another both make an
 * R.  So two files exchanged are M and M, a file moved over another is D and
 * M, and a hard link is A.  A directory that was removed and made again is
 * compared name by name.  A file that changed is M under each of its names.
 *
 * Access and change times, link counts and the modification time of a
 * directory never count.  pages, bytes and ranges of A, D and T are those of
 * the whole file; ranges are whole pages, but for the end of a file and what
 * one side has beyond the end of the other.
 */
int must_check mapfs_diff(struct mapfs_view *from, struct mapfs_view *to,
			  const struct mapfs_diff_options *opt,
			  mapfs_diff_fn fn, void *arg);

#endif

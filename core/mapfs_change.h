/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_MAPFS_CHANGE_H
#define MAPFS_CORE_MAPFS_CHANGE_H

/*
 * The part of the door (core/mapfs.h, whose rules hold here) that compares and
 * commits: which changes a view has, and how they reach the base.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "core/lib/reason.h"
#include "core/lib/types.h"

struct mapfs_view;

/*
 * The differences between a copy view and its base, or between two views of one
 * base.  The cost grows with the delta and not with the base, with one
 * exception: if a changed file has other hard links in the base that the view
 * never looked up, their names are found by a walk over the base.
 *
 * Lifetime: entries and their strings are borrowed until the callback returns.
 * Errors:   0 or a negative errno; a non-zero result of `fn` stops and is
 *           returned.
 * Locking:  both views stay usable, and no change waits: names and attributes
 *           are those of one moment, bytes and extended attributes are those
 *           of the time at which they are compared.
 */

enum mapfs_change {
	MAPFS_ADDED = 'A',
	MAPFS_MODIFIED = 'M',
	MAPFS_DELETED = 'D',
	MAPFS_RENAMED = 'R', /* the same inode under another name */
	MAPFS_RETYPED = 'T', /* the name means another type of object */
};

/* How an object differs that both sides have. */
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

/* One side of an entry; all zero: the side does not have the object. */
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
	const char *old_path; /* on the old side: differs from `path` for R, and
				 below a renamed directory */
	struct mapfs_diff_side old_side;
	struct mapfs_diff_side new_side;
	uint64_t pages; /* pages of 4096 bytes that really differ */
	uint64_t bytes; /* single bytes that really differ */
	const struct mapfs_range *ranges; /* with want_ranges */
	size_t range_count;
};

typedef int (*mapfs_diff_fn)(void *arg, const struct mapfs_diff_entry *e);

struct mapfs_diff_options {
	bool want_ranges;	  /* fill `ranges` */
	bool want_tree;		  /* one entry for each object below an added,
				     deleted or retyped directory; else an A
				     or D of a directory that is one of the
				     base stands for everything below it */
	const char *const *paths; /* only these, what is below them, and a
				     directory above whose entry stands for
				     them; NULL: all */
	size_t path_count;
	/* Called now and then; non-zero stops and is returned. */
	int (*progress)(void *arg, uint64_t done_bytes);
	void *progress_arg;
};

/*
 * Each difference once, in order of path (bytes compared).  `from` NULL: the
 * base of `to`.  Content is compared, so a page written with the bytes that it
 * had is no change, and neither is an object that ends as it began.  -EINVAL:
 * not a copy view; -EXDEV: views of two bases.
 *
 * No object of either side is in two entries.  A directory is followed by its
 * identity: moved to another place it is one R, even if another object had that
 * place (which is then D or R), and an object in it is listed only if that
 * object changed.  Any other object belongs to its name.  A name that both
 * sides have is M or T; a file that lost one name and got another is R.  So two
 * files exchanged are M and M, a file moved over another one is D and M, and a
 * new hard link is A.  A directory that was removed and made again is compared
 * name by name.  A file that changed is M under each of its names.
 *
 * Access and change times, link counts and the modification time of a directory
 * are not compared.  For A, D and T, pages, bytes and ranges are those of the
 * whole file.  Ranges are whole pages, except at the end of a file and for the
 * bytes that one side has beyond the end of the other.
 *
 * Of a view that was opened without its base, a name that hides or replaces one
 * of the base is D or T with an old side of zeros, and an object of its delta
 * is at least M.
 */
int must_check mapfs_diff(struct mapfs_view *from, struct mapfs_view *to,
			  const struct mapfs_diff_options *opt,
			  mapfs_diff_fn fn, void *arg);

/*
 * A commit applies the delta of a kept store that is not mounted to its base.
 * At every moment either the base or the store has each changed byte.
 *
 *	open, conflicts, run, close		a commit
 *	open finds one begun; run, close	finishes it after a crash
 *	mapfs_commit_undo()			undoes the newest one
 *
 * Lifetime: mapfs_commit_open() locks the store until mapfs_commit_close(),
 *           which accepts NULL.
 * Errors:   0 or a negative errno and a sentence in `why`.  -EBUSY: the store
 *           is mounted.  An interrupted run (-EINTR from `progress`, a kill, a
 *           power cut) leaves a commit that the next open finds.
 * Locking:  one thread.
 */

struct mapfs_commit;

/* Which change is taken if base and view changed the same object. */
enum mapfs_resolution {
	MAPFS_STOP,   /* neither: nothing is written */
	MAPFS_OURS,   /* the view's */
	MAPFS_THEIRS, /* the base's; the change of the view is dropped */
};

struct mapfs_commit_options {
	const char *store;
	const char *base;	  /* NULL: as recorded */
	bool is_trusted;	  /* as in struct mapfs_options */
	const char *const *paths; /* only these and below; NULL: all */
	size_t path_count;
	enum mapfs_resolution resolution;
	void (*log)(void *arg, int level, const char *line);
	void *log_arg;
	/* Called now and then; non-zero (-EINTR) stops at a safe point. */
	int (*progress)(void *arg, uint64_t done_bytes, uint64_t all_bytes);
	void *progress_arg;
	/*
	 * An undo: called before the first change, when all changes are known;
	 * non-zero stops and is returned.  Or NULL.
	 */
	int (*confirm)(void *arg, struct mapfs_commit *c);
	void *confirm_arg;
	bool skip_damaged; /* undo leaves files out whose bytes are damaged */
	/*
	 * Called at the end of a commit or an undo that succeeded, for each path
	 * that it left out because others had removed or replaced something
	 * since it began: "PATH: SENTENCE", borrowed.  The list stays in the
	 * store, as commit/N/left.  Or NULL.
	 */
	void (*left_out)(void *arg, const char *line);
	void *left_out_arg;
};

enum mapfs_conflict_kind {
	MAPFS_CONFLICT_CONTENT,	  /* changed in the view and in the base */
	MAPFS_CONFLICT_DELETED,	  /* deleted in the view, changed in the base */
	MAPFS_CONFLICT_MISSING,	  /* changed in the view, gone in the base */
	MAPFS_CONFLICT_ADDED,	  /* added in both */
	MAPFS_CONFLICT_TYPE,	  /* the base has another type of object now */
	MAPFS_CONFLICT_NOT_EMPTY, /* directory removed in the view, filled in
				     the base; or directory against file */
	MAPFS_CONFLICT_IN_USE,	  /* changed in the view; another program has
				     it open for writing, or mapped */
};

struct mapfs_conflict {
	enum mapfs_conflict_kind kind;
	const char *path;	       /* in the base */
	struct mapfs_diff_side ours;   /* the view; all zero: not there */
	struct mapfs_diff_side theirs; /* the base; all zero: not there */
};

struct mapfs_commit_totals {
	uint64_t added;
	uint64_t modified;
	uint64_t deleted;
	uint64_t renamed;
	uint64_t bytes; /* to be written */
};

int must_check mapfs_commit_open(struct mapfs_commit **out,
				 const struct mapfs_commit_options *opt,
				 struct reason *why);
/* Was it begun earlier?  Then mapfs_commit_run() finishes it. */
bool mapfs_commit_is_begun(const struct mapfs_commit *c);
/* ... and was it being undone?  Then mapfs_commit_run() finishes that. */
bool mapfs_commit_is_undo(const struct mapfs_commit *c);
/*
 * True: the delta has nothing of the given paths.  False does not mean that the
 * plan has a line: a directory's times, for example, are no difference.
 */
bool mapfs_commit_is_empty(const struct mapfs_commit *c);
/* The changes that it would make, in the order of mapfs_diff(). */
int must_check mapfs_commit_plan(struct mapfs_commit *c, mapfs_diff_fn fn,
				 void *arg, struct mapfs_commit_totals *totals);
/* All conflicts, with any resolution; returns their number, or an error. */
int must_check mapfs_commit_conflicts(
	struct mapfs_commit *c,
	int (*fn)(void *arg, const struct mapfs_conflict *conflict), void *arg);
/*
 * The result of finishing (or undoing) a commit that was begun: each object
 * that the plan has on that side, as A or M, without a look at the base.
 */
int must_check mapfs_commit_review(struct mapfs_commit *c, bool undo,
				   mapfs_diff_fn fn, void *arg);
int must_check mapfs_commit_run(struct mapfs_commit *c, struct reason *why);
void mapfs_commit_close(struct mapfs_commit *c);

/*
 * Undoes the newest commit of the store: base and store are again as they were
 * before it.  An undo that was interrupted is finished by the next call.
 */
int must_check mapfs_commit_undo(const struct mapfs_commit_options *opt,
				 struct reason *why);

/*
 * Ends an interrupted commit, or its undo, where it stands: the base stays as
 * it is, and the view has again the changes that it had before the commit.
 * options.left_out gets a line for each path: what was done and what not, and
 * where objects and bytes are.  -ENOENT: nothing was interrupted.
 */
int must_check mapfs_commit_abandon(const struct mapfs_commit_options *opt,
				    struct reason *why);

#endif

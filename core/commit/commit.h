/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_COMMIT_H
#define MAPFS_CORE_COMMIT_COMMIT_H

/*
 * Applying the delta of a resting kept store to its base, so that nothing is
 * lost whatever happens in between.
 *
 *   open -> conflicts? -> run -> close          a commit
 *   open (finds one begun) -> run -> close      finishing it after a crash
 *   undo                                        the newest one, taken back
 *
 * Lifetime: mapfs_commit_open() locks the store until mapfs_commit_close(),
 *           which accepts NULL.
 * Errors:   0 or a negative errno and a sentence in `why`.  -EBUSY: the
 *           store is mounted.  An interrupted run (-EINTR from `progress`, a
 *           kill, a power cut) leaves a commit that the next open finds.
 * Locking:  one thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/diff/diff.h"
#include "core/lib/types.h"

struct mapfs_commit;

/* Who wins where base and view changed the same object. */
enum mapfs_resolution {
	MAPFS_STOP,   /* nobody: nothing is written */
	MAPFS_OURS,   /* the view */
	MAPFS_THEIRS, /* the base as it is now; the view's change is dropped */
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
	/* Now and then; non-zero (-EINTR) stops at a safe place. */
	int (*progress)(void *arg, uint64_t done_bytes, uint64_t all_bytes);
	void *progress_arg;
	/*
	 * Undoing: when it is known what will change, and before that does;
	 * non-zero stops with it.  Or NULL.
	 */
	int (*confirm)(void *arg, struct mapfs_commit *c);
	void *confirm_arg;
};

enum mapfs_conflict_kind {
	MAPFS_CONFLICT_CONTENT,	  /* changed here, changed there */
	MAPFS_CONFLICT_DELETED,	  /* deleted here, changed there */
	MAPFS_CONFLICT_MISSING,	  /* changed here, gone there */
	MAPFS_CONFLICT_ADDED,	  /* added on both sides */
	MAPFS_CONFLICT_TYPE,	  /* another type of object there now */
	MAPFS_CONFLICT_NOT_EMPTY, /* directory removed here, filled there; or
				     directory against file */
};

struct mapfs_conflict {
	enum mapfs_conflict_kind kind;
	const char *path;	       /* in the base */
	struct mapfs_diff_side ours;   /* zero: not there */
	struct mapfs_diff_side theirs; /* zero: not there */
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
				 char *why, size_t why_bytes);
/* A commit that was begun earlier: mapfs_commit_run() finishes it. */
bool mapfs_commit_is_begun(const struct mapfs_commit *c);
/* ... and was being taken back: mapfs_commit_run() goes on with that. */
bool mapfs_commit_is_undo(const struct mapfs_commit *c);
/*
 * Nothing of what was asked for is in the delta.  (What is there may still be
 * no difference worth a line of the plan, as a directory's times.)
 */
bool mapfs_commit_is_empty(const struct mapfs_commit *c);
/* What would be done, in the order of mapfs_diff(). */
int must_check mapfs_commit_plan(struct mapfs_commit *c, mapfs_diff_fn fn,
				 void *arg, struct mapfs_commit_totals *totals);
/* Each conflict, whatever the resolution; their number, or an error. */
int must_check mapfs_commit_conflicts(
	struct mapfs_commit *c,
	int (*fn)(void *arg, const struct mapfs_conflict *conflict), void *arg);
/*
 * What finishing (or undoing) makes of the base, where that is not compared:
 * each object that the plan in the store has on that side, A or M.
 */
int must_check mapfs_commit_review(struct mapfs_commit *c, bool undo,
				   mapfs_diff_fn fn, void *arg);
int must_check mapfs_commit_run(struct mapfs_commit *c, char *why,
				size_t why_bytes);
void mapfs_commit_close(struct mapfs_commit *c);

/*
 * Takes the newest commit of the store back: base and store are again what
 * they were before it.  An undo that was interrupted is finished by the next.
 */
int must_check mapfs_commit_undo(const struct mapfs_commit_options *opt,
				 char *why, size_t why_bytes);

#endif

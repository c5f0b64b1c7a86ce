/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_COMMIT_PRIV_H
#define MAPFS_CORE_COMMIT_COMMIT_PRIV_H

/*
 * What the files of committing share: an open store with its base, and the
 * commit that is planned, under way, or the newest.
 *
 * Lifetime, errors, locking: as commit.h.
 */
#include "planning.h"
#include "core/mapfs.h"
#include "phases.h"

struct mapfs_commit {
	struct mapfs_view *view;
	struct overlay *o;		 /* the view as what it is */
	struct mapfs_commit_options opt; /* strings borrowed from `own` */
	struct commit_work work;
	struct planning_ctx planning;
	bool is_begun;
	char *store; /* absolute path, for people */
};

/* commit_end.c */
/* What an object was when a commit had ended. */
struct commit_after {
	uint64_t ino;
	uint64_t size_bytes;
	uint64_t mtime_s;
	uint64_t ctime_s;
	uint32_t mtime_ns;
	uint32_t ctime_ns;
	uint32_t mode;
	uint32_t is_there;
};
/* As it is now; all zero if it is nowhere. */
int must_check commit_look_after(struct commit_work *w,
				 const struct plan_object *o,
				 struct commit_after *a);
bool commit_after_fits(const struct plan_object *o,
		       const struct commit_after *a,
		       const struct commit_after *b);
/* One for each object; the caller frees what is read. */
int must_check commit_save_after(int dirfd, const struct plan *p,
				 const struct commit_after *all);
int must_check commit_read_after(int dirfd, const struct plan *p,
				 struct commit_after **out);
/* What the objects of the plan are in the base now, for a later undo. */
int must_check commit_write_after(struct mapfs_commit *c);
/* -ESTALE: somebody changed what undoing would change. */
int must_check commit_check_after(struct mapfs_commit *c);
/* commit_earlier.c */
/* While planning: what is as the commits before left it. */
int must_check commit_mark_earlier(struct mapfs_commit *c);
/* After undoing: what they left is that again. */
int must_check commit_renew_earlier(struct mapfs_commit *c);

/* commit_delta.c */
/* A snapshot that only this commit knows: what its undo brings back. */
int must_check commit_keep_delta(struct mapfs_commit *c);
/* That snapshot is not needed any more, if there is one. */
int must_check commit_drop_kept(struct mapfs_commit *c);
/* The view over the new base has nothing in it that differs. */
int must_check commit_forget_delta(struct mapfs_commit *c);
/* The delta is again what it was, over the base as it is again. */
int must_check commit_restore_delta(struct mapfs_commit *c);
/* -ENOTEMPTY, -EBUSY: undoing would lose changes, a snapshot, made since. */
int must_check commit_check_delta(struct mapfs_commit *c);

/* commit_store.c */
/* STORE/commit; -ENOENT: there is none and none was to be made. */
int must_check commit_open_top(struct mapfs_commit *c, bool create);
/* A place for a new commit: its number and directory. */
int must_check commit_make_place(struct mapfs_commit *c);
/* The newest commit that was finished. -ENOENT: there is none. */
int must_check commit_find_newest(struct mapfs_commit *c);
/* Writes or reads the plan of the work's commit. */
int must_check commit_write_plan(struct mapfs_commit *c);
int must_check commit_read_plan(struct mapfs_commit *c);
/* No commit is under way any more. */
int must_check commit_close_state(struct mapfs_commit *c);
/* The work's commit can be undone no more. */
int must_check commit_forget_after(struct mapfs_commit *c);
/* Removes STORE/commit/<number> and all in it. */
int must_check commit_remove_place(struct mapfs_commit *c, uint64_t number);

#endif

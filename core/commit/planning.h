/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_PLANNING_H
#define MAPFS_CORE_COMMIT_PLANNING_H

/*
 * Planning a commit: from the delta of a store to a plan, which says of each
 * object and name of the base what it is before and after.  This file has
 * what the steps of planning share.
 *
 *   planning_init()
 *   collect_delta()          each object and name that differs, each conflict
 *   select_paths()           only what belongs to the paths asked for
 *   resolve_conflicts()      whether view or base wins where both changed
 *   state_fill()             what each object is on each side; saves the bytes
 *                            that will be overwritten
 *   planning_fini()
 *
 * Nothing is written to the base, so planning may stop after any step.  A
 * process that dies leaves at most a work directory that has no meaning.
 *
 * Lifetime: planning_init() .. planning_fini(), which accepts a zeroed struct.
 *           The plan is the caller's and outlives it.
 * Errors:   0 or a negative errno, and a sentence in commit->why.
 * Locking:  one thread, the only one that uses the view.
 */
#include "core/mapfs.h"
#include "ctx.h"

/* A change of the view and one of the base that concern the same thing. */
struct conflict {
	enum mapfs_conflict_kind kind;
	char *path;
	uint32_t object; /* the view's; PLAN_NONE: none */
	uint32_t name;	 /* PLAN_NONE: the conflict is about the object */
	struct mapfs_diff_side ours;
	struct mapfs_diff_side theirs;
};

/* What planning knows of an object of the plan. */
struct object_info {
	const struct delta *delta; /* NULL: the delta has nothing of it */
	uint32_t nlink;		   /* in the base */
	uint64_t sum;		   /* of its signature in the base */
	bool is_locked;		   /* by chattr: +i or +a */
	bool is_lost;		   /* the base had it and has it no more */
	bool is_base_only; /* the view never saw it, nor what is below it */
	bool keeps_base;   /* its data and attributes stay the base's */
	bool is_selected;  /* belongs to the part that is committed */
	bool was_listed;   /* all names in it are in the plan */
	bool is_wanted;	   /* a further name of it has to be found */
	bool is_found;	   /* ... and was found */
};

struct planning_ctx {
	struct overlay *overlay;   /* borrowed */
	struct commit_ctx *commit; /* borrowed */
	struct plan *plan;	   /* borrowed; commit->plan */
	enum mapfs_resolution resolution;
	struct object_info *info; /* by number of the object */
	size_t info_cap;
	struct conflict *conflicts;
	size_t conflict_count;
	size_t conflict_cap;
	struct inode **inodes; /* those in the delta */
	size_t inode_count;
	size_t inode_cap;
};

void planning_init(struct planning_ctx *c, struct overlay *o,
		   struct commit_ctx *commit, enum mapfs_resolution resolution);
void planning_fini(struct planning_ctx *c);
/* As plan_add_object(), with an info[] that is all zero. */
int must_check planning_add_object(struct planning_ctx *c, mapfs_ino ino,
				   struct plan_object **out);
/* Does the plan change nothing? */
bool planning_is_empty(const struct planning_ctx *c);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_POSITION_H
#define MAPFS_CORE_COMMIT_POSITION_H

/*
 * The position of the commit that is under way: which commit, in which
 * direction, in which phase (phases.h).  It is the content of
 * STORE/commit/open.  That file exists exactly while a commit is under way,
 * and the store cannot be mounted then.
 *
 * Errors:   as saved_file.h; on an error *p is untouched.
 * Locking:  the store's lock is held.
 */
#include "core/lib/reason.h"
#include "plan.h"

enum commit_phase {
	PHASE_BUILD,
	PHASE_TAKE,
	PHASE_DATA,
	PHASE_PLACE,
	PHASE_ATTR,
	PHASE_CLEAN,
	PHASE_DELTA,
	PHASE_COUNT,
};

struct commit_position {
	uint64_t number;    /* of STORE/commit/<number> */
	uint64_t stage_tag; /* in the name of the staging directory */
	enum plan_side to;  /* PLAN_AFTER: committing; PLAN_BEFORE: undoing */
	enum commit_phase phase;
	/* Undoing only: the phase that committing had reached. */
	enum commit_phase reached;
};

/* Durable on return. */
int must_check position_write(int topfd, const struct commit_position *p);
/* -ENOENT: no commit is under way. */
int must_check position_read(int topfd, struct commit_position *p,
			     struct reason *why);
/* No commit is under way any more; durable on return. */
int must_check position_remove(int topfd);
/* Is a commit undone that had not written to any file of the base? */
bool position_left_files(const struct commit_position *p);

#endif

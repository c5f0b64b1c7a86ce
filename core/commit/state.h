/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_STATE_H
#define MAPFS_CORE_COMMIT_STATE_H

/*
 * The two states of each object, before and after: the last step of planning
 * (planning.h).
 *
 * Errors:   0 or a negative errno, and a sentence in commit->why.
 * Locking:  as planning.h.
 */
#include "planning.h"

/*
 * Decides which objects exist after the commit; plan_path() and
 * plan_name_path() of the after side are right only then.
 */
int must_check state_find_existing(struct planning_ctx *c);
/*
 * Fills both states of each object, and saves the bytes of the base that will
 * be overwritten; the files of the commit must be open.
 */
int must_check state_fill(struct planning_ctx *c);

#endif

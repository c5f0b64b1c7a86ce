/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_RESOLVE_H
#define MAPFS_CORE_COMMIT_RESOLVE_H

/*
 * Resolving conflicts: the third step of planning (planning.h).
 *
 * Errors:   0 or a negative errno, and a sentence in commit->why.  -ENODATA:
 *           the view is to win (MAPFS_OURS) and does not have all of the object.
 * Locking:  as planning.h.
 */
#include "planning.h"

/*
 * Sorts the conflicts by path and gives each its path.  Where the base is to
 * win (MAPFS_THEIRS), takes the view's change out of the plan.
 */
int must_check resolve_conflicts(struct planning_ctx *c);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_SELECT_H
#define MAPFS_CORE_COMMIT_SELECT_H

/*
 * Committing a part: the second step of planning (planning.h).
 *
 * Errors:   0 or a negative errno, and a sentence in commit->why.  -EXDEV: a
 *           name that was not asked for would have to change, too.
 * Locking:  as planning.h.
 */
#include "planning.h"

/*
 * Leaves in the plan what belongs to these paths, or is below them; all, if
 * there are no paths.
 */
int must_check select_paths(struct planning_ctx *c, const char *const *paths,
			    size_t count);

#endif

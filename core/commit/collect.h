/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_COLLECT_H
#define MAPFS_CORE_COMMIT_COLLECT_H

/*
 * Collecting what differs: the first step of planning (planning.h).  Each
 * object and name of the delta, and each conflict with the base as it is now,
 * becomes part of the plan; nothing is decided yet.
 *
 * Errors:   0 or a negative errno, and a sentence in commit->why.
 * Locking:  as planning.h.
 */
#include "planning.h"

int must_check collect_delta(struct planning_ctx *c);

#endif

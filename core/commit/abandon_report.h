/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_ABANDON_REPORT_H
#define MAPFS_CORE_COMMIT_ABANDON_REPORT_H

/*
 * The report of a commit that is abandoned, as lines of its list (left.h): for
 * each path of the plan what was done and what was not, and where objects and
 * overwritten bytes are now.
 *
 * Errors:   0 or a negative errno.
 * Locking:  as ctx.h.
 */
#include "ctx.h"

/* Which commit, and in which phase it stopped. */
int must_check abandon_report_head(struct commit_ctx *ctx);
/* By a look at the base; the staging directory is open if it is there. */
int must_check abandon_report_base(struct commit_ctx *ctx);
/* The paths alone: the base cannot be looked at. */
int must_check abandon_report_plan(struct commit_ctx *ctx);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_PRECHECK_H
#define MAPFS_CORE_COMMIT_PRECHECK_H

/*
 * Obstacles that would stop a commit halfway are found before it begins: too
 * little space or too few inodes, a quota, files, names, links and extended
 * attributes that are too large for the base (trial.h), too few descriptors,
 * immutable files, rights that the user does not have.  Nothing was written to the base when one of these
 * is found.
 *
 * Errors:   0 or a negative errno, and a sentence in ctx->why.
 * Locking:  as ctx.h.
 */
#include "planning.h"

/* Of a commit that is planned, with both states of each object. */
int must_check precheck_commit(const struct planning_ctx *c);
/* Is there room in the base for ctx->meter.all_bytes? */
int must_check precheck_space(const struct commit_ctx *ctx);

#endif

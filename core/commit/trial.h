/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_TRIAL_H
#define MAPFS_CORE_COMMIT_TRIAL_H

/*
 * Trying out, before a commit begins, what only the file system of the base can
 * say: whether a directory and a file can be made beside its files, and how
 * large a file, a symbolic link's target and extended attributes may be, and
 * whether a quota leaves room.  The objects are in a directory STAGE_TRY in the
 * root of the base, which is removed again; the times of the root stay.
 *
 * Errors:   0 or a negative errno, and a sentence in ctx->why: nothing of the
 *           plan was written.
 * Locking:  as ctx.h.
 */
#include "ctx.h"

/* Does the base take what the plan would write? */
int must_check trial_of_plan(struct commit_ctx *ctx);

#endif

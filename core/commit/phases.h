/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_PHASES_H
#define MAPFS_CORE_COMMIT_PHASES_H

/*
 * Making one side of a plan true in the base, in phases.  A phase begins when
 * everything before it is durable, and can be done again from its start
 * whatever part of it was done.  So a kill or a power cut anywhere costs no
 * more than doing one phase again.
 *
 *   PHASE_BUILD  objects that are only on the new side are made in the staging
 *                directory (stage.h)
 *   PHASE_TAKE   names that change give their objects to the staging directory
 *   PHASE_DATA   files that are on both sides get their bytes and size, in
 *                place
 *   PHASE_PLACE  names that change get their objects
 *   PHASE_ATTR   owners, modes, extended attributes, times
 *   PHASE_CLEAN  objects that are only on the old side are moved to the store
 *                (when undoing: removed), the staging directory is removed
 *   PHASE_DELTA  the delta of the store follows (commit.c)
 *
 * An object is looked for wherever a phase of either direction may have left
 * it (locate.h), and believed only by its inode number.  So undoing may begin
 * at any point of committing.
 *
 * Errors:   0 or a negative errno, and a sentence in ctx->why.
 * Locking:  as ctx.h.
 */
#include "ctx.h"

/* From ctx->at.phase on, until PHASE_DELTA is reached. */
int must_check phases_run(struct commit_ctx *ctx);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_NAMES_H
#define MAPFS_CORE_COMMIT_NAMES_H

/*
 * Names of the base that change: all of them at once give their objects to the
 * staging directory, then all of them get their new objects.  So objects may
 * change places in any way.
 *
 * Errors:   0 or a negative errno, and a sentence in ctx->why where one object
 *           is the cause.
 * Locking:  as ctx.h.
 */
#include "ctx.h"

/* Deepest directories first, so that paths to the others still lead there. */
int must_check names_take(struct commit_ctx *ctx);
/* Top directories first, so that a directory is where its names are put. */
int must_check names_place(struct commit_ctx *ctx);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_OBJECT_H
#define MAPFS_CORE_COMMIT_OBJECT_H

/*
 * Making one object of the base what the plan says of it on the side that is
 * made true (ctx->at.to).  A call does nothing for an object that it does not
 * concern, and nothing more when it is repeated.
 *
 * Errors:   0 or a negative errno, and a sentence in ctx->why.
 * Locking:  as ctx.h.
 */
#include "ctx.h"

/* An object that is only on this side, in the staging directory. */
int must_check object_build(struct commit_ctx *ctx, struct plan_object *o);
/* The size and the bytes of a file that is on both sides, in place. */
int must_check object_write(struct commit_ctx *ctx, struct plan_object *o);
/* Owner, mode, extended attributes, times. */
int must_check object_set_attr(struct commit_ctx *ctx, struct plan_object *o);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_LOCATE_H
#define MAPFS_CORE_COMMIT_LOCATE_H

/*
 * Where an object of the plan is now, whatever part of a commit or of its undo
 * was done before a kill.
 *
 * Lifetime: locate_object() gives a descriptor to the caller; locate_dir()
 *           lends one until the next call of this file.  locate_forget()
 *           closes what was lent.
 * Errors:   0 or a negative errno.  -ENOENT: the object is nowhere.  -EXDEV: it
 *           was not found, and a mount hides a place where it may be.
 * Locking:  as ctx.h.
 */
#include "ctx.h"

/* Fewer descriptors than this are too few for a commit. */
#define LOCATE_DESCRIPTORS_MIN 64U

/* An O_PATH descriptor of the object. */
int must_check locate_object(struct commit_ctx *ctx, uint32_t id, int *fd);
/* The same of a directory, borrowed. */
int must_check locate_dir(struct commit_ctx *ctx, uint32_t id, int *fd);
/* Has it, being in the staging directory, a name elsewhere, too? */
int must_check locate_elsewhere(struct commit_ctx *ctx,
				const struct plan_object *o, bool *is_named);
void locate_forget(struct commit_ctx *ctx);
/* As commit_ctx_fail() with "cannot find it"; a mount in the way is named. */
int locate_fail(struct commit_ctx *ctx, uint32_t object, int err);

#endif

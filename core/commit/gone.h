/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_GONE_H
#define MAPFS_CORE_COMMIT_GONE_H

/*
 * STORE/commit/N/gone: the objects that commit N removed from the base, named
 * by their number in the plan, so that its undo can put them back.  Where the
 * store is on another file system only the bytes of files are kept; the plan
 * has the rest.
 *
 * Errors:   0 or a negative errno; gone_keep() sets a sentence in ctx->why.
 * Locking:  as ctx.h.
 */
#include "stage.h"

/*
 * What the plan removes is moved from the staging directory to the store, and
 * so is what others have left no place for in the base; the latter is listed
 * (left.h).  Doing it again does nothing.
 */
int must_check gone_keep(struct commit_ctx *ctx, struct plan_object *o);
/* False: it was not kept. */
bool gone_has(const struct commit_ctx *ctx, const struct plan_object *o);
/*
 * Undoing: moves the object back into a slot of the staging directory.
 * -ENOENT, -EXDEV: it is not there, or on another file system.
 */
int must_check gone_move_back(const struct commit_ctx *ctx,
			      const struct plan_object *o, const char *slot);
/* ... or copies its bytes into an empty file. */
int must_check gone_copy_back(struct commit_ctx *ctx,
			      const struct plan_object *o, int to);

#endif

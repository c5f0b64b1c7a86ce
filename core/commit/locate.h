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
 * Errors:   0 or a negative errno.  -ENOENT: the object is nowhere.
 * Locking:  as ctx.h.
 */
#include "ctx.h"

/* An O_PATH descriptor of the object. */
int must_check locate_object(struct commit_ctx *ctx, uint32_t id, int *fd);
/* The same of a directory, borrowed. */
int must_check locate_dir(struct commit_ctx *ctx, uint32_t id, int *fd);
void locate_forget(struct commit_ctx *ctx);
/*
 * May the undo leave this object out?  True if it was not located (`err` is
 * -ENOENT) and the commit is being undone: somebody else has removed or
 * replaced the object since, and that stays.  It is logged.
 */
bool undo_may_skip(struct commit_ctx *ctx, uint32_t object, int err);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_DELTA_H
#define MAPFS_CORE_COMMIT_DELTA_H

/*
 * The delta of the store around a commit: kept in a snapshot while the commit
 * can be undone, emptied when it ends, brought back when it is undone.
 *
 * Errors:   0 or a negative errno, and a sentence in ctx->why where the errno
 *           is named below.
 * Locking:  as ctx.h; takes the locks of the store.
 */
#include "ctx.h"

/* Makes the snapshot `.commit-<number>`; people do not see it. */
int must_check commit_delta_keep(struct commit_ctx *ctx);
/* Deletes that snapshot, if it is there. */
int must_check commit_delta_drop(struct commit_ctx *ctx);
/* Leaves in the delta only what was not committed, over the new base. */
int must_check commit_delta_empty(struct commit_ctx *ctx);
/*
 * Can the delta of before the commit be read?  -EUCLEAN, -EBADMSG: it is
 * damaged.  Asked before the base is written to: the delta comes last.
 */
int must_check commit_delta_judge(struct commit_ctx *ctx);
/* The delta is again what it was, over the base as it is again. */
int must_check commit_delta_restore(struct commit_ctx *ctx);
/*
 * May that be done?  -ENOTEMPTY, -EBUSY: it would lose changes, or a snapshot,
 * made since the commit.
 */
int must_check commit_delta_check(struct commit_ctx *ctx);
/* Is there the delta of before commit ctx->at.number? */
bool commit_delta_is_kept(const struct commit_ctx *ctx);

#endif

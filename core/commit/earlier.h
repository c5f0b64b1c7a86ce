/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_EARLIER_H
#define MAPFS_CORE_COMMIT_EARLIER_H

/*
 * Keeping the results (result.h) of earlier commits true when a later one is
 * undone, so that the earlier ones can be undone next.
 *
 * Errors:   0 or a negative errno.
 * Locking:  as ctx.h.
 */
#include "ctx.h"

/*
 * While planning: marks the objects that are now what the newest earlier
 * commit left (`is_as_left`).
 */
int must_check earlier_mark(struct commit_ctx *ctx);
/* After undoing: they are that again, and the results are renewed. */
int must_check earlier_renew(struct commit_ctx *ctx);

#endif

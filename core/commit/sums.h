/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_SUMS_H
#define MAPFS_CORE_COMMIT_SUMS_H

/*
 * Checksums of the bytes that a commit saves: undoing never writes bytes to the
 * base that are not those that were there before [S3].  STORE/commit/N/sums has
 * one for each block of 4 KiB of STORE/commit/N/saved.  It depends on the place
 * of the block, and on the plan and the token of the commit, so a block of
 * another place, or of another commit, does not fit.
 *
 * Commits of earlier versions have no such file; their plan says so.
 *
 * Errors:   0 or a negative errno, and a sentence in ctx->why where something
 *           is damaged (-EBADMSG, -EUCLEAN).
 * Locking:  as ctx.h.
 */
#include "ctx.h"

/* Of all that is in `saved` now, for the plan ctx->plan.sum; durable. */
int must_check sums_write(struct commit_ctx *ctx);
/*
 * Verifies every saved byte that undoing would write; nothing was written to the
 * base when one is damaged.  `may_skip`: objects with damaged bytes are marked
 * instead, and left out.
 */
int must_check sums_check(struct commit_ctx *ctx, bool may_skip);

/*
 * Compares all of `saved` in `dirfd`, which is STORE/commit/N, and calls back
 * for each block that is damaged; non-zero stops and is returned.  -ENOENT: the
 * commit has no such files.
 */
int must_check sums_find_damage(int dirfd,
				int (*fn)(void *arg, uint64_t off, size_t len),
				void *arg, struct reason *why);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_KEPT_H
#define MAPFS_CORE_COMMIT_KEPT_H

/*
 * Are the files in STORE/commit/N/gone those that commit N removed?  Undoing
 * puts them into the base [S3].  They are moved, of whatever size, so they have
 * no sums: type, size and modification time are compared with those that `after`
 * has, or, of a commit that has not ended or is of an earlier version, with the
 * plan.
 *
 * Errors:   0 or a negative errno; -EUCLEAN, -EBADMSG: something is damaged.
 * Locking:  as ctx.h.
 */
#include "ctx.h"

/* The sentence of a file that undoing leaves out. */
#define KEPT_LEFT_OUT \
	"what the store kept of it is damaged or missing, and it stays removed"

/*
 * Compares each file that undoing would take, before the base is touched.
 * `may_skip`: what does not fit is marked instead, and left out.  `is_ended`:
 * the commit has ended, so each file must be there.
 */
int must_check kept_check(struct commit_ctx *ctx, bool is_ended, bool may_skip);

/*
 * The same of a commit that has ended, in `dirfd`, which is STORE/commit/N.
 * Calls back with the name in gone/ and what is wrong; non-zero stops and is
 * returned.  -ENOENT: `plan`, `after` or `gone` is not there.
 */
int must_check kept_find_damage(int dirfd,
				int (*fn)(void *arg, const char *name,
					  const char *what),
				void *arg, struct reason *why);

#endif

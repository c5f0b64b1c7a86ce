/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_VERIFY_H
#define MAPFS_CORE_COMMIT_VERIFY_H

/*
 * Private pages are verified before a commit writes the first of them: the base
 * never gets bytes that are not those that were written to the view [S3].
 *
 * Errors:   0 or a negative errno, and a sentence in ctx->why; -EIO: a page is
 *           damaged.
 * Locking:  as ctx.h.
 */
#include "ctx.h"

/* All pages that the plan copies from the arena to the base. */
int must_check verify_pages(struct commit_ctx *ctx);

#endif

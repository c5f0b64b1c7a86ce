/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_CMD_RUN_STORE_H
#define MAPFS_TOOLS_CMD_RUN_STORE_H

/*
 * The store of a run without --store whose changes may have to be kept.
 *
 * Lifetime: the directory belongs to the run (r->has_own_store).
 * Errors:   0 or a negative errno, after a sentence was printed.
 */
#include "run_ctx.h"

/* Makes a new directory outside the base; it becomes r->opt.store. */
int must_check run_store_create(struct run_ctx *r);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LAYER_WHITEOUT_H
#define MAPFS_TOOLS_LAYER_WHITEOUT_H

/*
 * Removing objects from the view that a layer is read into.
 *
 * Lifetime: nothing is kept.
 * Errors:   0 or a negative errno, without a sentence; -EINTR: the user wants
 *           the work to stop.
 * Locking:  one thread.
 */
#include "apply_ctx.h"

/* Removes a name of the directory `dir`, and all that is below it. */
int must_check layer_remove(struct layer_apply *l, mapfs_ino dir,
			    const char *name);
/*
 * Does what a mark says: `mark` is its name, in the directory `dir` with the
 * path `parent`.  A name that does not exist needs no removal.
 */
int must_check layer_whiteout_apply(struct layer_apply *l, const char *parent,
				    mapfs_ino dir, const char *mark);

#endif

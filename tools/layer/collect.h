/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LAYER_COLLECT_H
#define MAPFS_TOOLS_LAYER_COLLECT_H

/*
 * The items of a layer: every object and every whiteout that it will contain.
 *
 * Lifetime: the items belong to `l`.
 * Errors:   0 or a negative errno; l->is_said: a sentence was printed.
 * Locking:  one thread.
 */
#include "write_ctx.h"

/*
 * Compares the view with its base, and fills l->items: first the items that
 * are written, in the order of their names in the tar; an item behind them has
 * no name.
 */
int must_check layer_collect(struct layer_write *l);

#endif

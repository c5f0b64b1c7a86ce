/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_OPEN_H
#define MAPFS_CORE_DIRECT_OPEN_H

/*
 * Read and write mode: a view whose operations act on the base directly.
 *
 * Lifetime: direct_open() gives a view; the view's close operation ends it.
 * Errors:   0 or a negative errno, and *why is set.
 * Locking:  as mapfs.h.
 */
#include "core/view/view.h"

int must_check direct_open(struct mapfs_view **out,
			   const struct mapfs_options *opt, struct reason *why);

#endif

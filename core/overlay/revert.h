/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_REVERT_H
#define MAPFS_CORE_OVERLAY_REVERT_H

/*
 * Reverting a path of a copy view to the base.
 *
 * Errors, locking: as mapfs_revert() in core/mapfs.h.
 */
#include "core/view/view.h"

int overlay_revert(struct mapfs_view *v, const char *path,
		   mapfs_invalidation_fn fn, void *arg, struct reason *why);

#endif

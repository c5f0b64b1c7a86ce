/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_PAGES_H
#define MAPFS_CORE_OVERLAY_PAGES_H

/*
 * Where the pages of a file of a copy view are.
 *
 * Errors, locking: as mapfs_pages() in core/mapfs.h.
 */
#include "core/view/view.h"

int overlay_pages(struct mapfs_view *v, struct mapfs_file file,
		  const struct mapfs_range *range, mapfs_run_fn fn, void *arg);

#endif

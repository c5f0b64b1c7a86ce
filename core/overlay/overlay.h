/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_OVERLAY_H
#define MAPFS_CORE_OVERLAY_OVERLAY_H

/*
 * Copy mode: view operations on the base merged with the delta.
 *
 * Lifetime: overlay_open() gives a view; its ops' close ends it.
 * Errors, locking: as mapfs.h.
 */
#include "core/view/view.h"

int must_check overlay_open(struct mapfs_view **out,
			    const struct mapfs_options *opt, char *why,
			    size_t why_bytes);

#endif

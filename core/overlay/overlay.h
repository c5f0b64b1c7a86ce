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

/* What a view is opened for. */
enum overlay_purpose {
	OVERLAY_SERVE,
	OVERLAY_COMMIT, /* an unfinished commit of its store is no obstacle */
};

int must_check overlay_open(struct mapfs_view **out,
			    const struct mapfs_options *opt,
			    enum overlay_purpose purpose, struct reason *why);

#endif

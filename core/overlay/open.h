/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_OPEN_H
#define MAPFS_CORE_OVERLAY_OPEN_H

/*
 * The roof of copy mode: opens a view of the base merged with the delta of a
 * store.
 *
 * Lifetime: overlay_open() gives a view; the `close` of its operations ends it.
 * Errors:   0 or a negative errno, and then a reason in `why`, or none where
 *           the errno says it all.
 * Locking:  none held; see core/mapfs.h for the operations.
 */
#include "core/view/view.h"

/* What a view is opened for. */
enum overlay_purpose {
	OVERLAY_SERVE,
	OVERLAY_COMMIT, /* also if an unfinished commit waits in the store */
	OVERLAY_CHECK,	/* what is sound, also of a store in use */
};

int must_check overlay_open(struct mapfs_view **out,
			    const struct mapfs_options *opt,
			    enum overlay_purpose purpose, struct reason *why);

#endif

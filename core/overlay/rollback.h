/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_ROLLBACK_H
#define MAPFS_CORE_OVERLAY_ROLLBACK_H

/*
 * Snapshots of a copy view, and the way back to one.
 *
 * Errors, locking: as core/mapfs.h.
 */
#include "inode.h"

int overlay_snapshot_create(struct mapfs_view *v, const char *name,
			    const char *message, struct reason *why);
int overlay_snapshot_delete(struct mapfs_view *v, const char *name,
			    struct reason *why);
int overlay_snapshot_iterate(struct mapfs_view *v, mapfs_snapshot_fn fn,
			     void *arg);
int overlay_rollback(struct mapfs_view *v, const char *name,
		     mapfs_invalidation_fn fn, void *arg, struct reason *why);
/*
 * `state` (NULL: an empty one) takes the place of the whole delta, for base
 * version `base_version`.  Its table of inodes has the root of this view.
 * Errors as store_replace().  `fn`, unless NULL, is called after the change.
 */
int must_check overlay_replace(struct overlay *o, struct delta_set *state,
			       uint64_t base_version, mapfs_invalidation_fn fn,
			       void *arg);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_WINDOW_HISTORY_H
#define MAPFS_CORE_WINDOW_HISTORY_H

/*
 * What belongs to the view below as a whole: snapshots, rollback, revert.
 * After a rollback or a revert each window shows the file that its path leads
 * to then.
 *
 * Lifetime, errors, locking: as core/mapfs.h.
 */
#include "core/view/view.h"

void window_announce_mount(struct mapfs_view *v, dev_t dev);
void window_announce_close(struct mapfs_view *v);
int window_snapshot_create(struct mapfs_view *v, const char *name,
			   const char *message, struct reason *why);
int window_snapshot_delete(struct mapfs_view *v, const char *name,
			   struct reason *why);
int window_snapshot_iterate(struct mapfs_view *v, mapfs_snapshot_fn fn,
			    void *arg);
int window_drift(struct mapfs_view *v, mapfs_drift_fn fn, void *arg);
int window_damage(struct mapfs_view *v, mapfs_bad_page_fn fn, void *arg);
int window_held(struct mapfs_view *v, mapfs_ino ino, enum mapfs_held *out);
void window_invalidated(struct mapfs_view *v, mapfs_ino ino);
int window_rollback(struct mapfs_view *v, const char *name,
		    mapfs_invalidation_fn fn, void *arg, struct reason *why);
/*
 * `path` is "" (everything below), the name of a whole window, or the path of a
 * file that has windows.
 */
int window_revert(struct mapfs_view *v, const char *path,
		  mapfs_invalidation_fn fn, void *arg, struct reason *why);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_FILE_HANDLE_H
#define MAPFS_CORE_OVERLAY_FILE_HANDLE_H

/*
 * Finding an inode of a copy view by its number, as file handles name it.
 *
 * Errors:   -ESTALE or -ENOENT: the view shows no such inode.  -EAGAIN: only a
 *           walk over the base can tell, and `may_walk` is false.
 * Locking:  no lock is held.
 */
#include "core/view/view.h"

int overlay_reach(struct mapfs_view *v, mapfs_ino ino, bool may_walk,
		  struct mapfs_entry *out);
/* The number of the directory above. */
int overlay_above(struct mapfs_view *v, mapfs_ino dir, bool may_walk,
		  mapfs_ino *above);
void overlay_interrupt(struct mapfs_view *v);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_FILE_HANDLE_H
#define MAPFS_CORE_DIRECT_FILE_HANDLE_H

/*
 * An object by its number alone, for file handles (NFS,
 * name_to_handle_at(2)).
 *
 * Lifetime: an entry counts one lookup of the kernel.
 * Errors:   as base_find().
 * Locking:  as mapfs.h.
 */
#include "core/view/view.h"

int direct_reach(struct mapfs_view *v, mapfs_ino ino, bool may_walk,
		 struct mapfs_entry *out);
int direct_above(struct mapfs_view *v, mapfs_ino dir, bool may_walk,
		 mapfs_ino *above);
void direct_interrupt(struct mapfs_view *v);

#endif

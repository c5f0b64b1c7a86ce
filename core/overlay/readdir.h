/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_READDIR_H
#define MAPFS_CORE_OVERLAY_READDIR_H

/*
 * Listing a directory of a copy view.
 *
 * Errors, locking: as core/mapfs.h; overlay_dir_is_empty(): 0 or a negative
 *           errno, and the caller holds ns_lock for writing.
 */
#include "inode.h"

int must_check overlay_dir_is_empty(struct overlay *o, struct inode *dir,
				    bool *empty);
int overlay_readdir(struct mapfs_view *v, mapfs_ino dir,
		    const struct mapfs_readdir *readdir);

#endif

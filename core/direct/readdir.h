/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_READDIR_H
#define MAPFS_CORE_DIRECT_READDIR_H

/*
 * Listing directories, with or without a handle.
 *
 * Lifetime: a handle from direct_opendir() to direct_release().  With `plus`
 *           each entry that is passed on counts one lookup of the kernel.
 * Errors, locking: as mapfs.h.
 */
#include "core/view/view.h"

int direct_opendir(struct mapfs_view *v, mapfs_ino dir, uint64_t *fh);
int direct_readdir_open(struct mapfs_view *v, uint64_t fh,
			const struct mapfs_readdir *readdir);
int direct_readdir(struct mapfs_view *v, mapfs_ino dir,
		   const struct mapfs_readdir *readdir);

#endif

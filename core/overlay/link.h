/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_LINK_H
#define MAPFS_CORE_OVERLAY_LINK_H

/*
 * Adding and removing names in directories of a copy view.
 *
 * Errors, locking: as core/mapfs.h; functions that add records: the caller
 *           holds ns_lock for writing, and the inodes are in the delta.
 */
#include "lookup.h"

/* The records that make `name` mean `i` (NULL: nothing) instead of `was`. */
void overlay_add_name(struct group *g, const struct inode *dir,
		      const char *name, const struct lookup_result *was,
		      const struct inode *i);
/* New times of the directory, and `links` more links. */
void overlay_add_dir_change(struct group *g, const struct inode *dir, int links,
			    struct timespec now);
int overlay_link(struct mapfs_view *v, mapfs_ino ino, mapfs_ino dir,
		 const char *name, struct mapfs_entry *out);
int overlay_unlink(struct mapfs_view *v, mapfs_ino dir, const char *name);
int overlay_rmdir(struct mapfs_view *v, mapfs_ino dir, const char *name);

#endif

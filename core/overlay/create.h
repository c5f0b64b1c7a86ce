/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_CREATE_H
#define MAPFS_CORE_OVERLAY_CREATE_H

/*
 * New objects of a copy view.
 *
 * Errors, locking: as core/mapfs.h; overlay_add_whiteout(): 0 or a negative
 *           errno, and the caller holds ns_lock for writing.
 */
#include "inode.h"

/*
 * The records of a device as RENAME_WHITEOUT leaves it, for one name in `dir`,
 * which is in the delta.  The caller adds the name.
 */
int must_check overlay_add_whiteout(struct overlay *o, struct group *g,
				    const struct mapfs_cred *cred,
				    struct inode *dir, mapfs_ino *ino);
int overlay_mknod(struct mapfs_view *v, const struct mapfs_new *new,
		  struct mapfs_entry *out);
int overlay_mkdir(struct mapfs_view *v, const struct mapfs_new *new,
		  struct mapfs_entry *out);
int overlay_symlink(struct mapfs_view *v, const struct mapfs_new *new,
		    const char *target, struct mapfs_entry *out);
int overlay_tmpfile(struct mapfs_view *v, const struct mapfs_new *new,
		    struct mapfs_entry *out);

#endif

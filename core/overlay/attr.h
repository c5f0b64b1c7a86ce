/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_ATTR_H
#define MAPFS_CORE_OVERLAY_ATTR_H

/*
 * Attributes that a copy view shows.
 *
 * Errors:   0 or a negative errno.
 * Locking:  overlay_attr_of_delta(): the inode's stripe is held.  The others
 *           take it.
 */
#include "inode.h"

void overlay_attr_of_delta(const struct delta *d, struct mapfs_attr *out);
int must_check overlay_fill_attr(struct overlay *o, struct inode *i,
				 struct mapfs_attr *out);
/* The same for an answer to the kernel: counts a lookup of the inode. */
int must_check overlay_fill_entry(struct overlay *o, struct inode *i,
				  struct mapfs_entry *out);
int overlay_getattr(struct mapfs_view *v, struct mapfs_file file,
		    struct mapfs_attr *out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_WRITE_H
#define MAPFS_CORE_OVERLAY_WRITE_H

/*
 * Writing to files of a copy view.
 *
 * Errors, locking: as core/mapfs.h.
 */
#include "inode.h"

/*
 * The data of a file changed: gives the attributes new times, unless the
 * kernel keeps the times itself.  False: they are as they were.
 */
bool overlay_touch(const struct overlay *o, struct record_attr *a);
ssize_t overlay_write(struct mapfs_view *v, struct mapfs_file file,
		      const struct mapfs_write *write);
ssize_t overlay_copy_range(struct mapfs_view *v,
			   const struct mapfs_copy_range *copy);

#endif

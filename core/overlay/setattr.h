/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_SETATTR_H
#define MAPFS_CORE_OVERLAY_SETATTR_H

/*
 * Changing the attributes of an inode of a copy view, its size included.
 *
 * Errors, locking: as core/mapfs.h.
 */
#include "inode.h"

int overlay_setattr(struct mapfs_view *v, struct mapfs_file file,
		    const struct mapfs_setattr *set, struct mapfs_attr *out);

#endif

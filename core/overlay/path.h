/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_PATH_H
#define MAPFS_CORE_OVERLAY_PATH_H

/*
 * A path of an inode in a copy view.
 *
 * Errors, locking: as mapfs_find_path() in core/mapfs.h.
 */
#include "core/view/view.h"

int overlay_find_path(struct mapfs_view *v, mapfs_ino ino, char **out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_RENAME_H
#define MAPFS_CORE_OVERLAY_RENAME_H

/*
 * Renaming and exchanging names of a copy view [C3].
 *
 * Errors, locking: as core/mapfs.h.
 */
#include "core/view/view.h"

/* whiteout: owner of the device that is left at the old name; NULL: none is. */
int overlay_rename(struct mapfs_view *v, const struct mapfs_cred *whiteout,
		   const struct mapfs_rename *rename);

#endif

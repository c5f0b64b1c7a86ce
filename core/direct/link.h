/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_LINK_H
#define MAPFS_CORE_DIRECT_LINK_H

/*
 * Linking, removing and renaming names of the base.
 *
 * Lifetime: an entry counts one lookup of the kernel.
 * Errors, locking: as mapfs.h.
 */
#include "core/view/view.h"

int direct_link(struct mapfs_view *v, mapfs_ino ino, mapfs_ino dir,
		const char *name, struct mapfs_entry *out);
int direct_unlink(struct mapfs_view *v, mapfs_ino dir, const char *name);
int direct_rmdir(struct mapfs_view *v, mapfs_ino dir, const char *name);
/* `whiteout`: its owner, if the rename is to leave one; else NULL. */
int direct_rename(struct mapfs_view *v, const struct mapfs_cred *whiteout,
		  const struct mapfs_rename *rename);

#endif

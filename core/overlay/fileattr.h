/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_FILEATTR_H
#define MAPFS_CORE_OVERLAY_FILEATTR_H

/*
 * Inode flags of a copy view: chattr(1), ioctl_iflags(2).
 *
 * Errors, locking: as core/mapfs.h.
 */
#include "core/view/view.h"

int overlay_get_fileattr(struct mapfs_view *v, struct mapfs_file file,
			 enum mapfs_fileattr_kind what,
			 union mapfs_fileattr *out);
int overlay_set_fileattr(struct mapfs_view *v, const struct mapfs_cred *cred,
			 struct mapfs_file file, enum mapfs_fileattr_kind what,
			 const union mapfs_fileattr *a);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_XATTR_H
#define MAPFS_CORE_DIRECT_XATTR_H

/*
 * Extended attributes of base objects; a foreign directory has none.
 *
 * Lifetime: buffers are the caller's.
 * Errors, locking: as mapfs.h.
 */
#include "core/view/view.h"

ssize_t direct_getxattr(struct mapfs_view *v, mapfs_ino ino, const char *name,
			void *buf, size_t len);
ssize_t direct_listxattr(struct mapfs_view *v, mapfs_ino ino, char *buf,
			 size_t len);
int direct_setxattr(struct mapfs_view *v, mapfs_ino ino,
		    const struct mapfs_setxattr *set);
int direct_removexattr(struct mapfs_view *v, mapfs_ino ino, const char *name);

#endif

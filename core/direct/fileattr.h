/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_FILEATTR_H
#define MAPFS_CORE_DIRECT_FILEATTR_H

/*
 * Inode flags of base objects: chattr(1), ioctl_iflags(2).
 *
 * Lifetime: values.
 * Errors:   as mapfs.h; -ENOTTY for an object that is neither a file nor a
 *           directory, or that is foreign.
 * Locking:  as mapfs.h.  A change alters the credentials of the calling thread
 *           for the time of the call.
 */
#include "core/view/view.h"

int direct_get_fileattr(struct mapfs_view *v, struct mapfs_file file,
			enum mapfs_fileattr_kind what,
			union mapfs_fileattr *out);
int direct_set_fileattr(struct mapfs_view *v, const struct mapfs_cred *cred,
			struct mapfs_file file, enum mapfs_fileattr_kind what,
			const union mapfs_fileattr *a);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_MOUNT_ROOT_H
#define MAPFS_FS_MOUNT_ROOT_H

/*
 * The root of a mount, as a descriptor.
 *
 * Lifetime: the caller closes *out.
 * Errors:   0 or a negative errno; -EXDEV: `path` leads to another file system
 *           by now.  *out is touched on success only.
 * Locking:  none; waits for the daemon of the mount.
 */
#include "core/lib/types.h"

/*
 * Opens the root for reading, whether it is a directory or a file; `dev` is the
 * st_dev of the mount.  Makes system calls only.
 */
int must_check root_open(const char *path, dev_t dev, int *out);

#endif

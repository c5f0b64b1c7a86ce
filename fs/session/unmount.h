/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SESSION_UNMOUNT_H
#define MAPFS_FS_SESSION_UNMOUNT_H

/*
 * Taking a mount away, with umount2(2) where that is allowed, else through
 * fusermount3.
 *
 * Lifetime: nothing is kept.
 * Errors:   0 or a negative errno: -EBUSY in use, -EINVAL no mount point,
 *           -EPERM not yours, -ENOENT fusermount3 is missing; -EIO: `said`
 *           holds fusermount3's words.
 * Locking:  none.
 */
#include <stdbool.h>
#include <stddef.h>

#include "core/mapfs.h"

/* lazy: take it out of sight now, end it when the last user is gone. */
int must_check unmount_path(const char *path, bool lazy, char *said,
			    size_t said_bytes);

#endif

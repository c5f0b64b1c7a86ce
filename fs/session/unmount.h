/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SESSION_UNMOUNT_H
#define MAPFS_FS_SESSION_UNMOUNT_H

/*
 * Unmounting, with umount2(2) where that is allowed, else by fusermount3.
 *
 * Lifetime: nothing is kept.
 * Errors:   0 or a negative errno: -EBUSY the mount is in use, -EINVAL `path`
 *           is not a mount point, -EPERM it is another user's mount, -ENOENT
 *           fusermount3 is missing; -EIO: `words` holds what fusermount3
 *           printed.
 * Locking:  none.
 */
#include <stdbool.h>

#include "core/lib/reason.h"
#include "core/lib/types.h"

/*
 * lazy: the mount disappears at once, and ends when the last process has
 * stopped using it.
 */
int must_check unmount_path(const char *path, bool lazy, struct reason *words);
/*
 * Could this user unmount a view at `dir`, which is a directory without a
 * mount?  fusermount3 unmounts only a mount that it finds in /etc/mtab: without
 * that file the answer is -ENOENT and a sentence in `why`.
 */
int must_check unmount_is_possible(const char *dir, struct reason *why);

#endif

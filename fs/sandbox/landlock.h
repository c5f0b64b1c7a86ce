/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SANDBOX_LANDLOCK_H
#define MAPFS_FS_SANDBOX_LANDLOCK_H

/*
 * The files that a daemon may open.
 *
 * Lifetime: see sandbox.h.
 * Errors:   0 or a negative errno; -EOPNOTSUPP: the kernel has no Landlock, or
 *           it is disabled, or too old to allow renames.
 * Locking:  of the calling thread and those that it starts.
 */
#include "fs/mount/mount.h"

/* The view is open and mounted. */
int must_check landlock_enter(struct mount *m);

#endif

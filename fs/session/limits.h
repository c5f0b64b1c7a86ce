/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SESSION_LIMITS_H
#define MAPFS_FS_SESSION_LIMITS_H

/*
 * The resource limits of the daemon, see getrlimit(2).
 *
 * Lifetime: they hold until the process ends.
 * Errors:   none; a limit that cannot be raised stays as it is.
 * Locking:  called while the process has one thread.
 */

/* Raises the limits of files, file size, processor time and memory. */
void limits_raise(void);

#endif

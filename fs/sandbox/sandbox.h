/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SANDBOX_SANDBOX_H
#define MAPFS_FS_SANDBOX_SANDBOX_H

/*
 * The daemon drops what it does not need once the view is mounted; see
 * core/DESIGN.md, "The sandbox".  Each part is a file of this folder:
 *
 *   caps       the capabilities that the mode does not need
 *   seccomp    system calls that no file system needs
 *   landlock   every file outside of base, store and mount
 *
 * Lifetime: what is dropped is gone until the process ends.
 * Errors:   none: a part that the kernel refuses is not in force, and the log
 *           says so.
 * Locking:  called while the process has one thread, which the others descend
 *           from.
 */
#include "fs/mount/mount.h"

/* Sets m->sandbox to the parts that are in force, of enum sandbox_part. */
void sandbox_enter(struct mount *m);

#endif

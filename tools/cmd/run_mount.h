/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_CMD_RUN_MOUNT_H
#define MAPFS_TOOLS_CMD_RUN_MOUNT_H

/*
 * The place of the view: a mount (and user) namespace with the view in it, or
 * a directory of its own where the system allows no namespace.
 *
 * Calling:  run_mount_begin(), run_mount_go(), then run_wait() until the
 *           command has ended, then run_mount_end().  After an error of
 *           run_mount_begin() nothing is left of the place.
 * Errors:   0 or a negative errno, after a sentence was printed.
 */
#include "run_ctx.h"

/*
 * Mounts the view, starts its daemon, and starts a child in the view that
 * waits for run_mount_go().
 */
int must_check run_mount_begin(struct run_ctx *r);
/* Lets the child become the command. */
int must_check run_mount_go(struct run_ctx *r);
/*
 * Ends the daemon, once no process uses its mount.  0: the daemon has stored
 * all changes.
 */
int must_check run_mount_end(struct run_ctx *r);

#endif

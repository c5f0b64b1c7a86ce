/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SANDBOX_CAPS_H
#define MAPFS_FS_SANDBOX_CAPS_H

/*
 * The capabilities that a daemon of each mode needs.
 *
 * Lifetime: see sandbox.h.
 * Errors:   0 or a negative errno.
 * Locking:  of the calling thread and those that it starts.
 */
#include "core/mapfs.h"

/* Drops all others from every set of the thread, the bounding set included. */
int must_check caps_drop(enum mapfs_mode mode);

#endif

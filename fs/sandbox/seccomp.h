/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SANDBOX_SECCOMP_H
#define MAPFS_FS_SANDBOX_SECCOMP_H

/*
 * The filter of system calls.
 *
 * Lifetime: see sandbox.h.
 * Errors:   0 or a negative errno; -ENOSYS: built without libseccomp, or the
 *           kernel has no filters.
 * Locking:  of the calling thread and those that it starts.
 */
#include <stdbool.h>

#include "core/lib/types.h"

int must_check seccomp_enter(bool uring);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_OPS_CALLER_H
#define MAPFS_FS_OPS_CALLER_H

/*
 * The rights of a process that a request does not contain: its capabilities
 * and its supplementary groups.
 *
 * Lifetime: the sender of a request exists until the request is answered.
 * Errors:   none; the answer is false if the process cannot be examined (it is
 *           in another pid namespace, or /proc is hidden).
 * Locking:  the caller holds no lock, because files in /proc are read.
 */
#include <stdbool.h>
#include <sys/types.h>

/* Has it CAP_FSETID in the first user namespace, as capable() asks? */
bool caller_has_fsetid(pid_t pid);
/* Is `gid` one of the supplementary groups of the process? */
bool caller_has_group(pid_t pid, gid_t gid);

#endif

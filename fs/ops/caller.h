/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_OPS_CALLER_H
#define MAPFS_FS_OPS_CALLER_H

/*
 * What the kernel knows of a caller and most requests do not say.
 *
 * Lifetime: a caller can be asked about while its request is unanswered.
 * Errors:   none; of a caller that cannot be looked at (another pid
 *           namespace, a hidden /proc) the answer is false.
 * Locking:  none is needed; reads files in /proc, so call it with none held.
 */
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <sys/types.h>

/* CAP_FSETID in the first user namespace, which is what capable() asks. */
bool caller_has_fsetid(pid_t pid);
/* Whether `gid` is the caller's own group or a supplementary one. */
bool caller_is_in_group(const struct fuse_ctx *ctx, gid_t gid);
/* The same of a process that is no caller, such as ourselves. */
bool caller_has_group(pid_t pid, gid_t gid);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_OPS_FAR_H
#define MAPFS_FS_OPS_FAR_H

/*
 * Lookups that may take a walk over the base (file handles of what the kernel
 * has forgotten), answered by a thread that serves nothing else: however long
 * a walk takes, whoever uses no handles is served meanwhile.
 *
 * Lifetime: far_create(), far_stop() once no more requests come, and
 *           far_destroy() (accepts NULL).  The thread starts with the first
 *           request.
 * Errors:   0 or a negative errno.
 * Locking:  any thread may call far_lookup(); RANK_FS.
 */
#include <fuse_lowlevel.h>
#include <stdbool.h>

#include "core/lib/types.h"

struct far;
struct mount;

int must_check far_create(struct far **out, struct mount *m);
/* Ends a walk under way; returns when every request is answered. */
void far_stop(struct far *f);
void far_destroy(struct far *f);
/* Is the name "." or ".."? */
bool far_is_dot(const char *name);
/* LOOKUP of `name`, "." or "..", on `ino`: answers it, now or later. */
void far_lookup(struct far *f, fuse_req_t req, mapfs_ino ino, const char *name);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CACHE_INVALIDATE_H
#define MAPFS_FS_CACHE_INVALIDATE_H

/*
 * Makes the kernel forget what a rollback or a revert has changed without its
 * knowledge: names, attributes and pages; and, of a file that the kernel still
 * holds, the size and the time of modification that the kernel keeps itself
 * while its writeback cache is on.
 *
 *   kernel_refresh_begin()
 *   ...                       a call of the core, with kernel_refresh_apply()
 *                             as its mapfs_invalidation_fn, and the struct
 *   kernel_refresh_end()      logs how much could not be corrected
 *
 * Lifetime: the struct is the caller's; it borrows the mount from begin to end.
 * Errors:   none; what cannot be corrected is logged, and counted in `failed`.
 * Locking:  called by a thread that is no worker and holds no lock: the kernel
 *           may send requests before a call returns.
 */
#include <fuse_lowlevel.h>

#include "core/mapfs.h"

struct mount;

struct kernel_refresh {
	struct mount *m;
	int root_fd;	   /* of the mount; -1: it cannot be opened */
	bool has_waited;   /* for the replies that show the state before */
	bool cannot_prune; /* the kernel has no FUSE_NOTIFY_PRUNE */
	unsigned int failed;
};

void kernel_refresh_begin(struct kernel_refresh *r, struct mount *m);
/* A mapfs_invalidation_fn. */
void kernel_refresh_apply(void *refresh, const struct mapfs_invalidation *what);
void kernel_refresh_end(struct kernel_refresh *r);

/* Was the SETATTR sent by kernel_refresh_apply() itself, as a correction? */
bool kernel_refresh_is_correction(struct mount *m, fuse_req_t req);
/* The attributes of the view, as the answer to such a SETATTR. */
int must_check kernel_refresh_answer_correction(struct mount *m, mapfs_ino ino,
						const struct mapfs_setattr *set,
						struct mapfs_attr *out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CACHE_INVALIDATE_H
#define MAPFS_FS_CACHE_INVALIDATE_H

/*
 * Making the kernel forget what a change behind its back made wrong: names,
 * attributes, pages, and of files that it still holds the size and time that
 * it believes to own.
 *
 * Lifetime: kernel_refresh_begin() .. kernel_refresh_end() around a core call that
 *           takes kernel_refresh_apply() as its mapfs_invalidation_fn, with the struct as
 *           its argument.
 * Errors:   what cannot be put right is logged, and counted in `failed`.
 * Locking:  a thread that serves no requests, holding nothing.
 */
#include <fuse_lowlevel.h>

#include "core/mapfs.h"

struct mount;

struct kernel_refresh {
	struct mount *m;
	int root_fd;	   /* of the mount; -1: cannot be had */
	bool has_waited;   /* for replies with what was before */
	bool cannot_prune; /* the kernel is too old */
	unsigned int failed;
};

void kernel_refresh_begin(struct kernel_refresh *r, struct mount *m);
/* A mapfs_invalidation_fn. */
void kernel_refresh_apply(void *refresh, const struct mapfs_invalidation *what);
void kernel_refresh_end(struct kernel_refresh *r);

/* A SETATTR that only serves to tell the kernel what the view has. */
bool kernel_refresh_is_correction(struct mount *m, fuse_req_t req);
/* What the view has, for the answer to `set`. */
int must_check kernel_refresh_answer_correction(struct mount *m, mapfs_ino ino,
						const struct mapfs_setattr *set,
						struct mapfs_attr *out);

#endif

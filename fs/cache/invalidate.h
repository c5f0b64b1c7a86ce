/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CACHE_INVALIDATE_H
#define MAPFS_FS_CACHE_INVALIDATE_H

/*
 * Making the kernel forget what a change behind its back made wrong: names,
 * attributes, pages, and of files that it still holds the size and time that
 * it believes to own.
 *
 * Lifetime: stale_begin() .. stale_end() around a call of the core that
 *           takes stale_forget() as its mapfs_stale_fn, with the struct as
 *           its argument.
 * Errors:   what cannot be put right is logged, and counted in `failed`.
 * Locking:  a thread that serves no requests, holding nothing.
 */
#include <fuse_lowlevel.h>

#include "core/mapfs.h"

struct mount;

struct stale {
	struct mount *m;
	int root_fd;	   /* of the mount; -1: cannot be had */
	bool has_waited;   /* for replies with what was before */
	bool cannot_prune; /* the kernel is too old */
	unsigned int failed;
};

void stale_begin(struct stale *s, struct mount *m);
/* A mapfs_stale_fn. */
void stale_forget(void *stale, const struct mapfs_stale *what);
void stale_end(struct stale *s);

/* A SETATTR that only serves to tell the kernel what the view has. */
bool stale_is_correction(struct mount *m, fuse_req_t req);
/* What the view has, for the answer to `set`. */
int must_check stale_answer_correction(struct mount *m, mapfs_ino ino,
				       const struct mapfs_setattr *set,
				       struct mapfs_attr *out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_ORIGINS_H
#define MAPFS_CORE_DELTA_ORIGINS_H

/*
 * Origins: the places in the base of the objects that have a delta.  A place
 * is a path from the base's root; several inodes may have been at one place,
 * one after the other.
 *
 * A lookup in the base finds the objects that are still there.  Origins find
 * those that the base has lost, because others removed or replaced them or a
 * directory above, so that the view can still show what the delta has of them.
 *
 * Lifetime: init/fini for memory the caller owns.
 * Errors:   0 or -ENOMEM, and then nothing changed.
 * Locking:  takes RANK_LEAF itself.
 */
#include "core/lib/lock.h"
#include "core/lib/table.h"
#include "core/lib/types.h"

struct origin;

struct origins {
	struct rmutex lock;
	struct table all;    /* by lock */
	struct origin *root; /* by lock; NULL: there is none */
	size_t shared;	     /* by lock: places of several inodes */
};

void origins_init(struct origins *p);
void origins_fini(struct origins *p);
/* Removes all places. */
void origins_clear(struct origins *p);
int must_check origins_add(struct origins *p, const char *path, mapfs_ino ino);
/* No error if the inode is not there. */
void origins_remove(struct origins *p, const char *path, mapfs_ino ino);
bool origins_is_empty(struct origins *p);
/* The n-th inode at this path, 0 is the newest; returns 0: no more. */
mapfs_ino origins_get(struct origins *p, const char *path, unsigned int n);
/*
 * How many inodes were at this path before this one was.  Adding them again in
 * this order gives the same origins.
 */
unsigned int origins_rank(struct origins *p, const char *path, mapfs_ino ino);
/* Has every place one inode only?  Then each rank is 0. */
bool origins_are_simple(struct origins *p);
/* Any inode below the path, or 0. */
mapfs_ino origins_below(struct origins *p, const char *path);
/* All inodes at or below the path; allocated for the caller. */
int must_check origins_inos(struct origins *p, const char *path,
			    mapfs_ino **out, size_t *count);
/*
 * The names in the directory of this path with an inode at or below them,
 * sorted.  The caller frees each name and the list.
 */
int must_check origins_list(struct origins *p, const char *path, char ***out,
			    size_t *count);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_ORIGINS_H
#define MAPFS_CORE_DELTA_ORIGINS_H

/*
 * Where in the base the objects of a delta are, or were: paths from the
 * base's root, and for each the inodes that the delta knows there.
 *
 * The base leads to its objects by itself.  This leads to those that it lost:
 * others removed or replaced them, or a directory above, and what the delta
 * has of them must still be found.
 *
 * Lifetime: init/fini for memory the caller owns.
 * Errors:   0 or -ENOMEM, and then nothing changed.
 * Locking:  takes RANK_LEAF itself.
 */
#include "core/lib/lock.h"
#include "core/lib/types.h"
#include "core/lib/uthash_safe.h"

struct origin;

struct origins {
	struct rmutex lock;
	struct origin *all; /* by lock */
};

void origins_init(struct origins *p);
void origins_fini(struct origins *p);
/* Forgets all. */
void origins_clear(struct origins *p);
int must_check origins_add(struct origins *p, const char *path, mapfs_ino ino);
/* Not being there is fine. */
void origins_remove(struct origins *p, const char *path, mapfs_ino ino);
bool origins_is_empty(struct origins *p);
/* The n-th inode of this very path, the newest is 0; 0: no more. */
mapfs_ino origins_get(struct origins *p, const char *path, unsigned int n);
/* An inode somewhere below the path, or 0. */
mapfs_ino origins_below(struct origins *p, const char *path);
/*
 * The names in the directory of this path that lead to an inode, sorted;
 * each, and the list, are the caller's to free.
 */
int must_check origins_list(struct origins *p, const char *path, char ***out,
			    size_t *count);

#endif

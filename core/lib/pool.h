/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_POOL_H
#define MAPFS_CORE_LIB_POOL_H

/*
 * Memory for many small objects that all end together: what a comparison of a
 * million changes needs.  The system gets it back at the end, at once; of memory
 * from malloc(3) the C library would keep it, or lock out every thread while it
 * looks for pages that are free.
 *
 * Lifetime: a zeroed struct is an empty pool; pool_fini() ends all objects
 *           and leaves it so.
 * Errors:   NULL: there is no memory.
 * Locking:  the caller's.
 */
#include "types.h"

struct pool_chunk;

struct pool {
	struct pool_chunk *newest;
	size_t used_bytes; /* of the newest chunk */
};

/* Zeroed, and aligned for pointers and numbers of eight bytes. */
void *pool_alloc(struct pool *r, size_t bytes);
/* A copy that a NUL ends. */
char *pool_copy(struct pool *r, const char *s, size_t bytes);
void pool_fini(struct pool *r);

#endif

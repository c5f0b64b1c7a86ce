/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_TYPES_H
#define MAPFS_CORE_LIB_TYPES_H

/*
 * What all files share: the types of numbers, the page, and must_check.
 *
 * Lifetime, errors, locking: values.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "limit.h"

#define must_check __attribute__((warn_unused_result))

#define MAPFS_PAGE_SHIFT 12
#define MAPFS_PAGE_SIZE 4096U
#define MAPFS_BLOCKS_PER_PAGE 8U /* of 512 bytes, as in st_blocks */

typedef uint64_t mapfs_ino;  /* st_ino of an object in a view */
typedef uint64_t mapfs_pgno; /* number of a page within a file */
/*
 * Number of a page within an arena, and above that the number of the arena:
 * 0 is the store's own, 1 that of the store it is a branch of, and so on up.
 */
typedef uint64_t mapfs_apage;
typedef uint64_t mapfs_lsn; /* position in the journal, never reused */

static_assert(MAPFS_MAX_PAGES << MAPFS_PAGE_SHIFT ==
		      (uint64_t)MAPFS_MAX_SIZE + 1,
	      "the last page ends with the largest file");

static inline unsigned int apage_arena(mapfs_apage page)
{
	return (unsigned int)(page >> MAPFS_APAGE_BITS);
}

/* Its number within its arena. */
static inline uint64_t apage_in_arena(mapfs_apage page)
{
	return page & ((1ULL << MAPFS_APAGE_BITS) - 1);
}

/* First page at or after byte `off`. */
static inline mapfs_pgno page_ceil(uint64_t off)
{
	return (off >> MAPFS_PAGE_SHIFT) + ((off & (MAPFS_PAGE_SIZE - 1)) != 0);
}

/* Page that holds byte `off`. */
static inline mapfs_pgno page_of(uint64_t off)
{
	return off >> MAPFS_PAGE_SHIFT;
}

#endif

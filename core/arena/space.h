/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_ARENA_SPACE_H
#define MAPFS_CORE_ARENA_SPACE_H

/*
 * The state of an arena, and the steps of its bitmaps and counters that both
 * the arena and the pins take.  arena.c draws the states of a page.
 *
 * Lifetime: arena_open() to arena_close(), which initialize and free it.
 * Errors:   0 or -ENOMEM, and then nothing changed.
 * Locking:  each field names its lock; the functions want `lock` held.
 * Invariants: space_check() repeats them: PENDING and SEALED pages are TAKEN,
 *           TAKEN pages are RESERVED, only TAKEN pages are PINNED, the
 *           counters agree with the maps, and each range surrounds its map.
 */
#include "bitmap.h"
#include "core/lib/lock.h"
#include "core/lib/mapping.h"
#include "parent.h"
#include "sums.h"

struct arena_pins;

struct arena {
	int fd;			 /* owned; fixed while open */
	struct mapping *mapping; /* fixed while open */

	uint64_t cut_page; /* the file ends within it; UINT64_MAX: in none;
			      fixed while open */

	struct rmutex layout; /* RANK_ARENA */
	uint64_t file_bytes;  /* by layout */
	bool cannot_reserve;  /* by layout */
	bool cannot_punch;    /* by layout */
	bool trimmed;	      /* by layout */

	struct rmutex lock;	   /* RANK_LEAF */
	struct bitmaps bits;	   /* by lock */
	uint64_t limit;		   /* of TAKEN; fixed while open */
	uint64_t end;		   /* pages the maps describe; by lock */
	uint64_t used;		   /* TAKEN; by lock */
	uint64_t reserved;	   /* RESERVED; by lock */
	uint64_t ready;		   /* RESERVED, not TAKEN; by lock */
	uint64_t pinned;	   /* PINNED; by lock */
	uint64_t lowest;	   /* no READY page is below; by lock */
	struct page_range pending; /* surrounds PENDING; by lock */
	struct page_range sealed;  /* surrounds SEALED; by lock */

	bool has_sums;		    /* fixed while open */
	struct sums sums;	    /* by lock */
	uint64_t rounds;	    /* arena_verify_again(); by lock */
	struct page_range unsummed; /* surrounds TAKEN pages that have bytes,
				       but maybe no sum; by lock */
	uint8_t *in_flight; /* by region: may pages differ from their sums?
			       only while the store is opened */
	size_t regions;	    /* of in_flight */

	struct arena_pins *pins;      /* every set; by lock */
	struct arena_parents parents; /* fixed once read */
};

/* How many pages may still be handed out, as far as the limit decides. */
uint64_t space_left(const struct arena *a);
/* How many may still be reserved. */
uint64_t space_to_reserve(const struct arena *a);
/* Makes the maps describe the pages below `end`. */
int must_check space_extend(struct arena *a, uint64_t end);
/* TAKEN pages become READY. */
void space_make_free(struct arena *a, uint64_t first, uint64_t count);
/* Frees the SEALED pages of the range that no snapshot pins. */
void space_free_unpinned(struct arena *a, struct page_range in);
/* The sums of the arena that has the page. */
struct sums *space_sums_of(struct arena *a, mapfs_apage page);
/* Do the bitmaps, the counters and the ranges agree with each other? */
bool space_check(const struct arena *a);

#endif

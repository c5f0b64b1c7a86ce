/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_ARENA_ARENA_PRIV_H
#define MAPFS_CORE_ARENA_ARENA_PRIV_H

/*
 * What the files of the arena share: its state.
 *
 * Lifetime, locking: as arena.h and the fields below say.
 * Errors:   none here.
 */
#include "arena.h"
#include "bitmap.h"
#include "core/lib/lock.h"
#include "core/lib/mapping.h"

struct range {
	uint64_t begin;
	uint64_t end; /* begin >= end: empty */
};

#define RANGE_EMPTY ((struct range){ .begin = UINT64_MAX, .end = 0 })

struct arena {
	int fd;			 /* fixed while open, owned */
	struct mapping *mapping; /* fixed while open */

	struct rmutex layout; /* RANK_ARENA */
	uint64_t file_bytes;  /* by layout */
	bool cannot_reserve;  /* by layout */
	bool cannot_punch;    /* by layout */
	bool trimmed;	      /* by layout */

	struct rmutex lock;	/* RANK_LEAF */
	struct arena_bits bits; /* by lock */
	uint64_t end;		/* pages the maps speak of; by lock */
	uint64_t used;		/* TAKEN; by lock */
	uint64_t reserved;	/* RESERVED; by lock */
	uint64_t ready;		/* RESERVED, not TAKEN; by lock */
	uint64_t pinned;	/* PINNED; by lock */
	uint64_t lowest;	/* no READY page is below; by lock */
	struct range pending;	/* surrounds PENDING; by lock */
	struct range sealed;	/* surrounds SEALED; by lock */

	struct arena_pins *pins;      /* every set; by lock */
	struct arena_parent *parents; /* arenas 1, 2, ...; fixed once read */
	unsigned int parent_count;
};

/* TAKEN pages become READY; lock held. */
void arena_make_free_locked(struct arena *a, uint64_t first, uint64_t count);
/* Makes the maps speak of pages below `end`; lock held. */
int must_check arena_extend_locked(struct arena *a, uint64_t end);
void arena_range_add(struct range *r, uint64_t begin, uint64_t end);
/* arena_parent.c */
int must_check arena_parent_check(struct arena *a, mapfs_apage first,
				  uint64_t count);
int must_check arena_parent_read(struct arena *a, uint64_t off, void *buf,
				 size_t len);
void arena_parents_fini(struct arena *a);

#endif

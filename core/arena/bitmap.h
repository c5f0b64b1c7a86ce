/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_ARENA_BITMAP_H
#define MAPFS_CORE_ARENA_BITMAP_H

/*
 * The bitmaps of the arena: one bit per page, all of one length.
 *
 * Lifetime: arena_bits_init() a zeroed struct; arena_bits_fini().
 * Errors:   0 or -ENOMEM, and then nothing changed.
 * Locking:  the caller's (arena.lock).
 */
#include "core/lib/types.h"

enum arena_map {
	MAP_TAKEN,    /* handed out and not free yet */
	MAP_RESERVED, /* space on disk is ours */
	MAP_PINNED,   /* not to be written in place */
	MAP_PENDING,  /* freed since the last seal; still taken */
	MAP_SEALED,   /* freed before the last seal; still taken */
	MAPS,
};

/* What to look for: pages that have ... */
enum arena_want {
	WANT_READY,   /* reserved, not taken */
	WANT_BARE,    /* neither reserved nor taken */
	WANT_FREE,    /* not taken */
	WANT_LIVE,    /* taken, not freed */
	WANT_PENDING, /* as the map */
	WANT_FREED,   /* sealed, not pinned */
};

struct arena_bits {
	uint64_t *map[MAPS];
	size_t words; /* of each map */
};

void arena_bits_fini(struct arena_bits *b);
/* Makes room for pages 0 .. pages - 1; new bits are clear. */
int must_check arena_bits_grow(struct arena_bits *b, uint64_t pages);
/* Sets or clears a range; returns how many bits changed. */
uint64_t arena_bits_set(struct arena_bits *b, enum arena_map map,
			uint64_t first, uint64_t count);
uint64_t arena_bits_clear(struct arena_bits *b, enum arena_map map,
			  uint64_t first, uint64_t count);
/* How many bits of the range are set. */
uint64_t arena_bits_count(const struct arena_bits *b, enum arena_map map,
			  uint64_t first, uint64_t count);
/* Is this page wanted? */
bool arena_bits_has(const struct arena_bits *b, enum arena_want want,
		    uint64_t page);
/*
 * The first run of wanted pages within from .. to - 1, cut to `most`;
 * returns its length, 0: none.
 */
uint64_t arena_bits_find(const struct arena_bits *b, enum arena_want want,
			 uint64_t from, uint64_t to, uint64_t most,
			 uint64_t *first);
/* Where the run of wanted pages that `page` belongs to begins. */
uint64_t arena_bits_run_start(const struct arena_bits *b, enum arena_want want,
			      uint64_t page);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_ARENA_BITMAP_H
#define MAPFS_CORE_ARENA_BITMAP_H

/*
 * The bitmaps of the arena: one bit per page, all of one length, and ranges
 * of pages.
 *
 * Lifetime: a zeroed struct bitmaps is empty; bitmaps_fini() frees it and
 *           leaves it empty.
 * Errors:   bitmaps_grow() returns 0 or -ENOMEM, and then no bit changed.
 * Locking:  the caller's (arena.lock).
 * Invariants: every page that is passed in is below what bitmaps_grow() made
 *           room for.
 */
#include "core/lib/types.h"

enum arena_map {
	MAP_TAKEN,    /* handed out and not free yet */
	MAP_RESERVED, /* the file has space on disk for it */
	MAP_PINNED,   /* not to be written in place */
	MAP_PENDING,  /* freed since the last seal; still taken */
	MAP_SEALED,   /* freed before the last seal; still taken */
	MAPS,
};

/* A set of pages to search for. */
enum arena_want {
	WANT_READY,   /* reserved, not taken */
	WANT_BARE,    /* neither reserved nor taken */
	WANT_FREE,    /* not taken */
	WANT_TAKEN,   /* as the map */
	WANT_LIVE,    /* taken, not freed */
	WANT_PENDING, /* as the map */
	WANT_PINNED,  /* as the map */
	WANT_FREED,   /* sealed, not pinned */
};

struct bitmaps {
	uint64_t *map[MAPS];
	size_t words; /* of each map */
};

/* The pages begin .. end - 1. */
struct page_range {
	uint64_t begin;
	uint64_t end; /* begin >= end: empty */
};

#define PAGE_RANGE_EMPTY ((struct page_range){ .begin = UINT64_MAX, .end = 0 })

/* Makes `r` surround begin .. end - 1 too. */
void page_range_add(struct page_range *r, uint64_t begin, uint64_t end);

/* Makes room for pages 0 .. pages - 1; new bits are clear. */
int must_check bitmaps_grow(struct bitmaps *b, uint64_t pages);
/* Sets or clears a range; returns how many bits changed. */
uint64_t bitmaps_set(struct bitmaps *b, enum arena_map map, uint64_t first,
		     uint64_t count);
uint64_t bitmaps_clear(struct bitmaps *b, enum arena_map map, uint64_t first,
		       uint64_t count);
/* How many bits of the range are set. */
uint64_t bitmaps_count(const struct bitmaps *b, enum arena_map map,
		       uint64_t first, uint64_t count);
/* Is this page in the wanted set? */
bool bitmaps_has(const struct bitmaps *b, enum arena_want want, uint64_t page);
/*
 * The first run of wanted pages that begins within `in`, cut to its end and
 * to `most` pages.  Returns its length, and its first page in *first; 0: there
 * is none, and *first is as before.
 */
uint64_t bitmaps_find(const struct bitmaps *b, enum arena_want want,
		      struct page_range in, uint64_t most, uint64_t *first);
/*
 * The first page of the run of wanted pages that ends just before `page`;
 * `page` itself if the page before it is not wanted.
 */
uint64_t bitmaps_run_start(const struct bitmaps *b, enum arena_want want,
			   uint64_t page);

void bitmaps_fini(struct bitmaps *b);

#endif

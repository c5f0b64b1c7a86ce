/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_ARENA_PAGE_SUMS_H
#define MAPFS_CORE_ARENA_PAGE_SUMS_H

/*
 * The sums of an arena's pages, for those who keep them: the journal records
 * them, replay restores them.  arena_read() compares and arena_write()
 * computes them.
 *
 * A page has no sum while it is free, until its bytes are written, and where
 * an older version or a power cut left none; such bytes are taken as they are.
 *
 * Calling sequence: arena_use_sums(); in replay arena_set_sums() and
 *   arena_set_in_flight(); after it arena_forget_in_flight(); then, at sync
 *   points, arena_settle() and arena_take_unrecorded().
 *
 * Lifetime: as the arena.
 * Errors:   0 or a negative errno; -EUCLEAN: the file does not reach that far.
 * Locking:  takes RANK_ARENA, then RANK_LEAF for moments; the bytes are read
 *           under neither.  The caller keeps arena_settle() apart from itself.
 */
#include "core/lib/le.h"

struct arena;

/*
 * Whether pages of an arena may differ from their recorded sums is known for
 * regions of so many pages (64 MiB).
 */
#define REGION_PAGES 16384U

/* Right after arena_open().  Without it no page has a sum. */
void arena_use_sums(struct arena *a);
/* Replay: the recorded sums of pages that are in use, or of a parent. */
int must_check arena_set_sums(struct arena *a, mapfs_apage first,
			      const le64 *sums, uint64_t count);
/* Replay: pages of these regions may differ from their sums, or not any more. */
int must_check arena_set_in_flight(struct arena *a, mapfs_apage first,
				   uint64_t count, bool is);
/* The first region in flight at or after `from`; false: none. */
bool arena_next_in_flight(const struct arena *a, uint64_t from,
			  uint64_t *region);
/*
 * After replay: pages of regions in flight have no sum, except those that a
 * snapshot pins.  Returns how many lost theirs.
 */
uint64_t arena_forget_in_flight(struct arena *a);

/* A record names the pages from now on, so their sums are to be recorded. */
void arena_set_named(struct arena *a, mapfs_apage first, uint64_t count);
bool arena_has_unrecorded(struct arena *a);
/* How many pages have sums that the next sync point records. */
uint64_t arena_unrecorded_pages(struct arena *a);
/*
 * The first run of own pages at or after `from`, and their sums, that the
 * journal does not have yet; it is taken for recorded then.  0: none.
 */
uint64_t arena_take_unrecorded(struct arena *a, uint64_t from, uint64_t *first,
			       uint64_t *sum, uint64_t most);
/* It was not recorded after all. */
void arena_put_unrecorded(struct arena *a, uint64_t first, uint64_t count);
/* The first run of own pages in use that have sums; 0: none. */
uint64_t arena_next_sums(struct arena *a, uint64_t from, uint64_t *first,
			 uint64_t *sum, uint64_t most);
/* The sums of pages of any arena; 0 for a page that has none. */
void arena_get_sums(struct arena *a, mapfs_apage first, uint64_t *sum,
		    uint64_t count);

/*
 * Gives sums to pages in use that have none, at most about `most` of them.
 * Returns false when none is left.
 */
bool arena_settle(struct arena *a, uint64_t most);
/* Does every page in use of the run have a sum? */
bool arena_has_sums(struct arena *a, uint64_t first, uint64_t count);
/* ... that was recorded? */
bool arena_is_settled(struct arena *a, uint64_t first, uint64_t count);
/* From now on all bytes are compared again when they are read. */
void arena_verify_again(struct arena *a);

#endif

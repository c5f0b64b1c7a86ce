/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_ARENA_ARENA_H
#define MAPFS_CORE_ARENA_ARENA_H

/*
 * The file of private pages: page n lives at offset n * 4096.  Pages are read
 * through a mapping and written with pwrite: both are the same page cache,
 * but pwrite reports ENOSPC where a store into a mapping raises SIGBUS.
 *
 * Lifetime: arena_open() takes the descriptor when it succeeds; arena_close()
 *           ends it and accepts NULL; no set of pins may be left (pins.h).
 *           After opening, every page is free until replay calls
 *           arena_mark() for it.
 * Errors:   0 or a negative errno; -ENOSPC, -EDQUOT: no page can be had.
 * Locking:  takes RANK_ARENA while the file grows or shrinks, RANK_LEAF for
 *           moments; no I/O of page data under either.  Two writers of one
 *           page must be kept apart by the caller.
 *
 * data.h reads and writes bytes of pages, page_sums.h keeps their sums.
 *
 * Invariants:
 *  [D5] space is reserved on disk before a page is handed out;
 *  [P1] arena_write() on a pinned page is an assertion failure;
 *  [A1] a freed page is neither reused nor punched until a sync point that
 *       began after it was freed has succeeded: arena_free() -> (sync begins)
 *       arena_seal_freed() -> (sync done) arena_release_sealed().  When the
 *       sync fails the sealed pages stay taken.
 *  [A2] pages leave some space of the disk to records: arena_alloc() fails with
 *       -ENOSPC while there is still some (io_check_headroom()).
 * Chunks: space is reserved in chunks that grow with the arena from 16 KiB to
 * 64 MiB, so that a store of one changed byte stays tiny; where the file
 * system cannot reserve (-EOPNOTSUPP), arena_write() reports ENOSPC itself.
 *
 * Calling sequence: arena_open(); in replay arena_add_parent(), arena_mark()
 *   and arena_free_replayed(); then arena_alloc(), arena_write() and
 *   arena_free(), and at each sync point arena_seal_freed(), arena_sync(), and
 *   arena_release_sealed() once the sync point is durable.
 */
#include "data.h"

struct arena;

struct arena_stats {
	uint64_t used_pages; /* handed out, pending frees included */
	uint64_t reserved_pages;
	uint64_t pinned_pages;
	uint64_t live_pages; /* used, and not freed */
};

int must_check arena_open(struct arena **out, int fd);
/*
 * From now on no page is handed out while so many are, those of snapshots and
 * freed ones included (-ENOSPC).  To be called before the first arena_alloc().
 */
void arena_set_limit(struct arena *a, uint64_t pages);
/*
 * The file may be shorter than it was: pages behind its end may be named, and
 * reading them is -EIO, as is that of a page which the end is in.  For a store that is only read; before the first
 * arena_mark().
 */
void arena_accept_short_file(struct arena *a);
/*
 * Adds the arena of the next ancestor, for reading; takes the descriptor when
 * it succeeds.  To be called before any page of it is named.
 */
int must_check arena_add_parent(struct arena *a, int fd);
void arena_close(struct arena *a);

/*
 * Replay: these pages are in use.  -EUCLEAN: one already was, or the file
 * does not reach that far; nothing changed.  The file of a parent need not: a
 * page that its snapshot does not have may be gone.
 */
int must_check arena_mark(struct arena *a, mapfs_apage first, uint64_t count);
/*
 * A run of 1..`want` neighbouring pages, at `hint` if that is free (0 is a
 * page like any other; UINT64_MAX: no preference).  Contents are undefined.
 */
int must_check arena_alloc(struct arena *a, uint64_t want, mapfs_apage hint,
			   mapfs_apage *first, uint64_t *got);
/*
 * -ENOSPC: so many pages can certainly not be had.  A caller that needs all of
 * them learns it here without filling the disk first.  0 is no promise.
 */
int must_check arena_check_room(struct arena *a, uint64_t count);
/* Call after the record that stops naming them was appended [A1]. */
void arena_free(struct arena *a, mapfs_apage first, uint64_t count);
/* Frees pages at once that no record ever named (an operation failed). */
void arena_unalloc(struct arena *a, mapfs_apage first, uint64_t count);
/* A sync point begins: it covers the pages freed before it [A1]. */
void arena_seal_freed(struct arena *a);
/*
 * A sync point succeeded: frees the sealed pages and gives long free runs back
 * to the file system.  A sealed page that is pinned stays until the first
 * release without the pin.
 */
void arena_release_sealed(struct arena *a);

/* Gives back the space that is reserved for pages not handed out yet. */
void arena_give_back(struct arena *a);

/* Replay: they left the delta; free at once, except for pinned pages. */
void arena_free_replayed(struct arena *a, mapfs_apage first, uint64_t count);

/*
 * Does a snapshot pin the page [P1]?  A page of a parent always is pinned.
 * Returns of how many pages, from `first` on and at most `most`, the same is
 * true.
 */
uint64_t arena_find_pinned(struct arena *a, mapfs_apage first, uint64_t most,
			   bool *is_pinned);

/* All that was written so far survives a power cut. */
int must_check arena_sync(struct arena *a);
void arena_stats(struct arena *a, struct arena_stats *out);
/* Freed pages that the next sync point gives back: those not pinned. */
uint64_t arena_waiting_pages(struct arena *a);
/* Do the bitmaps and counters agree with each other?  For tests. */
bool arena_check(struct arena *a);

#endif

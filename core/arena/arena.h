/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_ARENA_ARENA_H
#define MAPFS_CORE_ARENA_ARENA_H

/*
 * The file of private pages: page n lives at offset n * 4096.  Pages are read
 * through a mapping and written with pwrite: both are the same page cache,
 * but pwrite reports ENOSPC where a store into a mapping raises SIGBUS.
 *
 * Lifetime: arena_open() takes the descriptor when it succeeds; arena_close()
 *           ends it and accepts NULL.  After opening, every page is free
 *           until arena_mark() says otherwise (replay).
 * Errors:   0 or a negative errno; -ENOSPC, -EDQUOT: no page can be had.
 * Locking:  takes RANK_ARENA while the file grows or shrinks, RANK_LEAF for
 *           moments; no I/O of page data under either.  Two writers of one
 *           page must be kept apart by the caller.
 *
 * Invariants:
 *  [D5] space is reserved on disk before a page is handed out;
 *  [P1] arena_write() on a pinned page is an assertion failure;
 *  [A1] a freed page is neither reused nor punched until a sync point that
 *       began after it was freed has succeeded: arena_free() -> (sync begins)
 *       arena_seal_freed() -> (sync done) arena_release_sealed().  When the
 *       sync fails the sealed pages stay taken.
 *  [A2] pages leave a rest of the disk to the journal: -ENOSPC comes before
 *       there is no space left for the records that give space back.
 * Chunks: space is reserved in chunks that grow with the arena from 16 KiB to
 * 64 MiB, so that a store of one changed byte stays tiny; where the file
 * system cannot reserve (-EOPNOTSUPP), arena_write() reports ENOSPC itself.
 */
#include "core/lib/types.h"

struct arena;

struct arena_stats {
	uint64_t used_pages; /* handed out, pending frees included */
	uint64_t reserved_pages;
	uint64_t pinned_pages;
	uint64_t live_pages; /* used, and not on their way out */
};

int must_check arena_open(struct arena **out, int fd);
/*
 * The next arena up the line of parents, for reading; takes the descriptor
 * when it succeeds.  Before any page of it is named.
 */
int must_check arena_add_parent(struct arena *a, int fd);
void arena_close(struct arena *a);

/*
 * Replay: these pages are in use.  -EUCLEAN: one already was, or the file
 * does not reach that far; nothing changed.
 */
int must_check arena_mark(struct arena *a, mapfs_apage first, uint64_t count);
/*
 * A run of 1..`want` neighbouring pages, at `hint` if that is free (0 is a
 * page like any other; UINT64_MAX: no wish).  Contents are undefined.
 */
int must_check arena_alloc(struct arena *a, uint64_t want, mapfs_apage hint,
			   mapfs_apage *first, uint64_t *got);
/*
 * -ENOSPC: so many pages can certainly not be had, so that who needs them all
 * need not take the last of the disk to find out.  0 is no promise.
 */
int must_check arena_check_room(struct arena *a, uint64_t count);
/* Call after the record that stops naming them was appended [A1]. */
void arena_free(struct arena *a, mapfs_apage first, uint64_t count);
/* Never handed to anybody: free at once (an operation that failed). */
void arena_unalloc(struct arena *a, mapfs_apage first, uint64_t count);
void arena_seal_freed(struct arena *a);
/*
 * Frees the sealed pages and gives long free runs back to the file system.
 * A sealed page that is pinned waits for the first release without the pin.
 */
void arena_release_sealed(struct arena *a);

/*
 * Replay: they left the delta.  Free at once, but for those a snapshot pins.
 */
void arena_free_replayed(struct arena *a, mapfs_apage first, uint64_t count);

/*
 * A set of pages that may no longer be written in place [P1], nor reused when
 * they are freed, until the set is gone.  arena_pin(): the pages handed out
 * now.  arena_pin_none(): none yet; replay adds pages that only snapshots
 * have with arena_pin_add() (-EUCLEAN as arena_mark()).
 */
struct arena_pins;
int must_check arena_pin(struct arena *a, struct arena_pins **out);
int must_check arena_pin_none(struct arena *a, struct arena_pins **out);
int must_check arena_pin_add(struct arena *a, struct arena_pins *p,
			     mapfs_apage first, uint64_t count);
/*
 * Ends the set.  Pages that nobody has any more are free after the next
 * sync point (`replaying`: at once).
 */
void arena_unpin(struct arena *a, struct arena_pins *p, bool replaying);
/* The same before arena_close(): no page is looked for that gets free. */
void arena_drop_pins(struct arena *a, struct arena_pins *p);
uint64_t arena_pins_count(const struct arena_pins *p);
/* The first run of the set at or after `from`; 0: there is none. */
uint64_t arena_pins_next(const struct arena_pins *p, uint64_t from,
			 mapfs_apage *first);
/* Pages of parents always are. */
bool arena_is_pinned(struct arena *a, mapfs_apage page);

/* `off` is a byte offset in the arena: page * 4096 + offset in the page. */
int must_check arena_read(struct arena *a, uint64_t off, void *buf, size_t len);
int must_check arena_write(struct arena *a, uint64_t off, const void *buf,
			   size_t len);
/* All that was written so far survives a power cut. */
int must_check arena_sync(struct arena *a);
void arena_stats(struct arena *a, struct arena_stats *out);
/* Freed pages that the next sync point gives back: not those that are pinned. */
uint64_t arena_waiting_pages(struct arena *a);
/* Do the bitmaps and counters agree with each other?  For tests. */
bool arena_check(struct arena *a);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_ARENA_PINS_H
#define MAPFS_CORE_ARENA_PINS_H

/*
 * A set of pages that may no longer be written in place [P1], nor reused when
 * they are freed, as long as the set exists: the pages of a snapshot.
 *
 * Lifetime: arena_pin() or arena_pin_none() creates a set; arena_unpin() or
 *           arena_drop_pins() ends it before arena_close(), and accepts NULL.
 * Errors:   0 or a negative errno; -EUCLEAN: the file does not reach that far.
 * Locking:  takes RANK_ARENA, then RANK_LEAF for moments.  The caller keeps
 *           changes of one set apart from each other and from its readers.
 * Invariants: the arena's PINNED map is the union of all sets, but between
 *           arena_drop_pins() and arena_close().
 */
#include "core/lib/types.h"

struct arena;
struct arena_pins;

/* Pins the pages that are handed out now. */
int must_check arena_pin(struct arena *a, struct arena_pins **out);
/* Replay: an empty set, for pages that only snapshots have. */
int must_check arena_pin_none(struct arena *a, struct arena_pins **out);
/* Replay: adds pages to the set; on -EUCLEAN nothing changed. */
int must_check arena_pin_add(struct arena *a, struct arena_pins *p,
			     mapfs_apage first, uint64_t count);
uint64_t arena_pins_count(const struct arena_pins *p);
/* The first run of the set at or after `from`; 0: there is none. */
uint64_t arena_pins_next(const struct arena_pins *p, uint64_t from,
			 mapfs_apage *first);
/*
 * Ends the set.  Pages that neither the delta nor another set has are free
 * after the next sync point (`replaying`: at once).
 */
void arena_unpin(struct arena *a, struct arena_pins *p, bool replaying);
/* Ends the set just before arena_close(), which makes freeing pages vain. */
void arena_drop_pins(struct arena *a, struct arena_pins *p);

#endif

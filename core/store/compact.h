/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_COMPACT_H
#define MAPFS_CORE_STORE_COMPACT_H

/*
 * Replacing the journal by a new one: with the same delta, when the journal
 * has outgrown it (compaction), or with another delta (rollback, revert, and
 * the rest of a commit).
 *
 * Lifetime: as the store.
 * Errors:   0 or a negative errno.  An error before the journal was replaced
 *           changes nothing, but for a failed sync, which latches the store
 *           like every later error [D4].  -ENOSPC, -EDQUOT: also the space
 *           that is reserved for later use was not enough.
 * Locking:  store_replace() between store_lock() and store_unlock();
 *           store_compact_if_grown() takes both of their locks.
 */
#include "core/lib/types.h"

struct delta_set;
struct journal_compaction;
struct store;

/* Compacts if that is worth while.  A failure is logged. */
void store_compact_if_grown(struct store *st);
/*
 * Compacts a journal that has no room, if that makes some; counted in
 * made_room.  Holding sync_lock.
 */
void store_compact_if_full(struct store *st);
/*
 * The delta becomes that of `state` (NULL: empty), whose arena pages must be
 * pinned, and the base version `base_version`; durable on return.
 */
int must_check store_replace(struct store *st, struct delta_set *state,
			     uint64_t base_version);
/* The delta and the snapshots of the store, into a journal of another one. */
int must_check store_write_state(struct store *st,
				 struct journal_compaction *c);
/* A base version that was never used. */
uint64_t store_new_base_version(const struct store *st);

#endif

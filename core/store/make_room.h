/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_MAKE_ROOM_H
#define MAPFS_CORE_STORE_MAKE_ROOM_H

/*
 * Space that removals have freed and that cannot be used yet: pages wait for a
 * sync point [A1], space for their sums too, and the records of what was removed for a compaction.  A
 * change that finds no space must not fail for that reason.
 *
 * Calling sequence:
 *
 *   made = store_made_room(); change; if it failed and
 *   store_make_room(err, made): change, once more
 *
 * Lifetime: as the store.
 * Errors:   none; a sync point that fails latches the store [D4].
 * Locking:  takes RANK_SYNC and RANK_NAMESPACE.
 */
#include "core/lib/types.h"

struct store;

uint64_t store_made_room(struct store *st);
/*
 * Did space become free since store_made_room()?  If `err` is -ENOSPC or
 * -EDQUOT, does what frees some.
 */
bool must_check store_make_room(struct store *st, int err, uint64_t made);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_ROOM_H
#define MAPFS_CORE_STORE_ROOM_H

/*
 * The space of the journal that a change must leave [A2].  All of it is
 * reserved on disk, behind the last group and in the spare, so nobody else can
 * take it:
 *
 *	close	marks, and what opening and closing append
 *	names	for each name and inode of the delta the records that remove it
 *	sums	that the next sync point records
 *	rest	for changes that do not make the store larger
 *
 * A group that grows the store leaves all four, one that does not leaves all but
 * the rest.  A removal uses no more than what was kept for its name, so
 * everything can be removed from a full store.
 *
 * Lifetime: as the store.
 * Errors:   0 or a negative errno; -ENOSPC, -EDQUOT: there is no room.
 * Locking:  the caller holds ns_lock, or the store has no second thread.
 */
#include "core/lib/types.h"

struct delta_set;
struct group;
struct records;
struct store;

/* May the group be journaled?  `all` is the group, decoded. */
int must_check room_for_group(struct store *st, const struct group *g,
			      const struct records *all);
/* May there be another sync point?  Bytes are written in place. */
int must_check room_for_mark(struct store *st);
/* Space for the close and the names of this delta; NULL: it is empty. */
uint64_t room_of_delta(const struct delta_set *s);
/* Reserves what can be had for this delta; the journal got a new segment. */
void room_renew(struct store *st, const struct delta_set *s);
/* The store is about to be closed: the room moves into the spare. */
void room_hand_over(struct store *st);

#endif

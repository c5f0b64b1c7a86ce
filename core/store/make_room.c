/* SPDX-License-Identifier: MIT */
#include "make_room.h"

#include <errno.h>

#include "core/arena/page_sums.h"
#include "compact.h"
#include "state.h"
#include "store.h"
#include "sync.h"

uint64_t store_made_room(struct store *st)
{
	return st->made_room;
}

bool store_make_room(struct store *st, int err, uint64_t made)
{
	if (err != -ENOSPC && err != -EDQUOT)
		return false;
	rmutex_lock(&st->sync_lock);
	/* A concurrent sync point may have released the pages already. */
	if (!st->latched && (arena_waiting_pages(st->arena) > 0 ||
			     arena_has_unrecorded(st->arena))) {
		err = store_sync_locked(st);
		if (err)
			store_latch(st, err, "sync failed");
	}
	if (!st->latched)
		store_compact_if_full(st);
	rmutex_unlock(&st->sync_lock);
	return st->made_room != made;
}

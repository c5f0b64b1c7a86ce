/* SPDX-License-Identifier: MIT */
/* SPDX-License-Identifier: MIT */
/*
 * The order that makes changes last.
 *
 *   change:      page bytes -> record -> reply        (page cache, [D3])
 *   sync point:  L = last lsn -> flush pages -> mark "covers L" -> flush
 *                journal                                     [D1] [D2]
 *
 * One flush of the journal is enough, because a mark counts on recovery only
 * if every group before it is sound: a mark that overtook them to the disk is
 * worth nothing.  Groups appended while the pages were flushed lie behind L
 * and wait for the next mark.
 *
 * Concurrent syncs share: whoever waited for the lock looks whether the sync
 * that ended meanwhile began after its own changes.
 *
 * An ephemeral store is gone after a power cut whatever is flushed, so its
 * sync points flush nothing; they still recycle freed pages.
 */
#include "sync.h"

#include <errno.h>

#include "state.h"
#include "store.h"

int store_sync_locked(struct store *st)
{
	uint64_t upto = st->changes;
	mapfs_lsn covers;
	int err;

	/* Before the lsn is taken, or a page could be freed too early [A1]. */
	arena_seal_freed(st->arena);
	covers = journal_last_lsn(st->journal);
	/* A record must not count before the page it names is there [D2]. */
	err = st->ephemeral ? 0 : arena_sync(st->arena);
	if (!err)
		err = journal_mark(st->journal, GROUP_SYNC, covers);
	/* The caller's word: from here on a power cut loses nothing [D1]. */
	if (!err && !st->ephemeral)
		err = journal_flush(st->journal);
	if (err)
		return err;
	/* Nothing on disk names the sealed pages any more. */
	arena_release_sealed(st->arena);
	atomic_fetch_add(&st->made_room, 1);
	st->synced = upto;
	return 0;
}

int store_sync(struct store *st)
{
	uint64_t mine = st->changes;
	int err = 0;

	rmutex_lock(&st->sync_lock);
	if (st->latched)
		err = -EIO;
	else if (st->synced < mine)
		err = store_sync_locked(st);
	if (err && !st->latched)
		store_latch(st, err, "sync failed");
	rmutex_unlock(&st->sync_lock);
	return err;
}

uint64_t store_made_room(struct store *st)
{
	return st->made_room;
}

bool store_make_room(struct store *st, int err, uint64_t made)
{
	if (err != -ENOSPC && err != -EDQUOT)
		return false;
	rmutex_lock(&st->sync_lock);
	/* What somebody else's sync point gave back meanwhile is as good. */
	if (!st->latched && arena_waiting_pages(st->arena) > 0) {
		err = store_sync_locked(st);
		if (err)
			store_latch(st, err, "sync failed");
	}
	rmutex_unlock(&st->sync_lock);
	return st->made_room != made;
}

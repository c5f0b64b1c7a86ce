/* SPDX-License-Identifier: MIT */
/*
 * The order that makes changes durable.
 *
 *   change:      page bytes -> record -> reply        (page cache, [D3])
 *   overwrite:   record "in flight" -> flush journal -> page bytes  [S3]
 *   sync point:  sums of pages -> L = last lsn -> flush pages ->
 *                mark "covers L" -> flush journal       [D1] [D2] [S3]
 *
 * One flush of the journal is enough: recovery accepts a mark only if every
 * group before it is sound, so a mark that reached the disk before those groups
 * has no effect.  Groups that are appended while the pages are being flushed
 * are behind L; the next mark covers them.
 *
 * Concurrent syncs share a sync point: a thread that had to wait for the lock
 * returns at once if a sync point that began after its changes has ended.
 *
 * A power cut destroys an ephemeral store whatever was flushed, so its sync
 * points flush nothing; they still make freed pages available.
 */
#include "sync.h"

#include <errno.h>

#include "intent.h"
#include "state.h"
#include "store.h"
#include "sums.h"

/*
 * Before the lsn is read, so that the mark covers the sums.  On a full disk
 * they wait: without them pages are taken as they are, but no byte is lost.
 */
static int append_sums(struct store *st)
{
	int err = sums_append(st);

	if (err)
		return err == -ENOSPC || err == -EDQUOT ? 0 : err;
	intent_append_settled(st, st->idle_s);
	return 0;
}

int store_sync_locked(struct store *st)
{
	uint64_t upto = st->changes;
	mapfs_lsn covers;
	int err = append_sums(st);

	if (err)
		return err;
	/* Before the lsn is read, or a page could be reused too early [A1]. */
	arena_seal_freed(st->arena);
	covers = journal_last_lsn(st->journal);
	/* The pages that records name are durable before the mark [D2]. */
	err = st->ephemeral ? 0 : arena_sync(st->arena);
	if (!err)
		err = journal_mark(st->journal, GROUP_SYNC, covers);
	/* After this flush a power cut loses nothing that L covers [D1]. */
	if (!err && !st->ephemeral)
		err = journal_flush(st->journal);
	if (err)
		return err;
	/* No record that recovery would apply names the sealed pages. */
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

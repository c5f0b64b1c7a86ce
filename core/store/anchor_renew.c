/* SPDX-License-Identifier: MIT */
#include "anchor_renew.h"

#include <string.h>

#include "core/lib/log.h"
#include "state.h"

int anchor_renew_locked(struct store *st, bool flush)
{
	struct anchor_counts counts = { .snapshots = 0 };
	struct arena_stats stats;

	if (st->ephemeral)
		return 0;
	for (const struct snapshot *one = st->set->snapshots.list; one;
	     one = one->next)
		counts.snapshots++;
	arena_stats(st->arena, &stats);
	counts.private_pages = stats.live_pages;
	counts.pages_bytes = anchor_size_of_pages(st->dir.dirfd);
	return anchor_write(&st->anchor, st->journal, &counts, flush);
}

int anchor_renew(struct store *st, bool flush)
{
	const struct journal_bound *was = &st->anchor.written;
	struct journal_bound is;
	int err = 0;

	rmutex_lock(&st->sync_lock);
	journal_durable(st->journal, &is);
	if (is.segment != was->segment || is.lsn != was->lsn) {
		rwlock_read(st->ns_lock);
		err = anchor_renew_locked(st, flush);
		rwlock_unlock(st->ns_lock);
	}
	rmutex_unlock(&st->sync_lock);
	return err;
}

static void say_unwritten(const struct store *st, int err)
{
	if (err)
		log_line(LOG_WARNING, "store %s: cannot write its anchor: %s",
			 st->dir.path, strerror(-err));
}

void anchor_renew_after(struct store *st)
{
	say_unwritten(st, anchor_renew(st, true));
}

void anchor_renew_after_locked(struct store *st)
{
	say_unwritten(st, anchor_renew_locked(st, true));
}

/* SPDX-License-Identifier: MIT */
#include "open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/log.h"
#include "core/arena/page_sums.h"
#include "anchor_renew.h"
#include "intent.h"
#include "lock.h"
#include "reasons.h"
#include "recover.h"
#include "room.h"
#include "state.h"
#include "store.h"
#include "sums.h"
#include "sync.h"
#include "thread.h"

/* A region of the arena that is overwritten more often stays in flight. */
#define IDLE_S 30
/* Closing gives a sum to so many pages that have none (64 MiB). */
#define SETTLE_AT_CLOSE_PAGES 16384U

static struct store *store_alloc(const struct store_options *opt,
				 struct delta_set *set)
{
	struct store *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->base = strdup(opt->base);
	if (!st->base) {
		free(st);
		return NULL;
	}
	st->anchor.file.fd = -1;
	st->set = set;
	st->base_id = opt->base_id;
	st->ephemeral = opt->kind != MAPFS_STORE_DIR;
	st->limit_pages = page_ceil(opt->size_bytes);
	st->use = opt->use;
	st->lineage.is_trusted = opt->is_trusted;
	st->progress = opt->progress;
	st->progress_arg = opt->progress_arg;
	st->idle_s = IDLE_S;
	regions_init(&st->regions);
	rmutex_init(&st->sync_lock, RANK_SYNC);
	pthread_mutex_init(&st->stop_lock, NULL);
	pthread_cond_init(&st->stop_cond, NULL);
	return st;
}

static void store_free(struct store *st)
{
	journal_close(st->journal);
	arena_close(st->arena);
	lineage_close(&st->lineage);
	anchor_close(&st->anchor);
	regions_fini(&st->regions);
	store_dir_close(&st->dir);
	pthread_cond_destroy(&st->stop_cond);
	pthread_mutex_destroy(&st->stop_lock);
	rmutex_fini(&st->sync_lock);
	free(st->warning);
	free(st->base);
	free(st);
}

int store_open(struct store **out, const struct store_options *opt,
	       struct delta_set *set, struct reason *why)
{
	struct store *st = store_alloc(opt, set);
	int err;

	if (!st)
		return -ENOMEM;
	reason_clear(why);
	err = store_dir_open(&st->dir, opt, why);
	if (err)
		goto free_store;
	err = arena_open(&st->arena, st->dir.pagesfd);
	if (err)
		goto free_store;
	st->dir.pagesfd = -1; /* the arena owns it now */
	if (!st->ephemeral)
		arena_use_sums(st->arena);
	if (st->limit_pages)
		arena_set_limit(st->arena, st->limit_pages);
	if (opt->salvage)
		arena_accept_short_file(st->arena);
	set->arena = st->arena;
	err = opt->use == STORE_PAST ? recover_snapshot(st, opt, why) :
				       recover_journal(st, opt, why);
	if (err)
		goto free_store;
	if (st->journal)
		st->compacted_bytes = journal_bytes(st->journal);
	*out = st;
	return 0;

free_store:
	/* Pins are dropped while there is an arena. */
	snapshots_fini(&set->snapshots, st->arena);
	set->arena = NULL;
	if (reason_is_empty(why))
		reason_set(why, "store %s: %s",
			   st->dir.path ? st->dir.path : "(temporary)",
			   reason_of_opening(err));
	store_free(st);
	return err;
}

void store_set_ns_lock(struct store *st, struct rwlock *ns_lock)
{
	st->ns_lock = ns_lock;
}

int store_start(struct store *st)
{
	return st->use == STORE_CHANGE ? store_thread_start(st) : 0;
}

static void say_lock_unwritten(const struct store *st, int err)
{
	if (err)
		log_line(LOG_WARNING, "store %s: cannot write its lock: %s",
			 st->dir.path, strerror(-err));
}

void store_announce_mount(struct store *st, dev_t dev)
{
	if (st->dir.lockfd >= 0 && st->use == STORE_CHANGE)
		say_lock_unwritten(st, store_holder_write_mount(st->dir.lockfd,
								dev));
}

void store_announce_close(struct store *st)
{
	if (st->dir.lockfd >= 0 && st->use == STORE_CHANGE)
		say_lock_unwritten(st,
				   store_holder_write_closing(st->dir.lockfd));
}

/* The delta outlives the arena, but its pins must not. */
static void store_drop_pins(struct store *st)
{
	snapshots_fini(&st->set->snapshots, st->arena);
	st->set->arena = NULL;
}

/* So that nothing is in flight in a store that was closed. */
static void close_sums(struct store *st)
{
	rmutex_lock(&st->sync_lock);
	(void)sums_settle(st, SETTLE_AT_CLOSE_PAGES);
	st->idle_s = 0;
	if (arena_has_unrecorded(st->arena) || intent_has_idle(st, 0))
		store_touch(st);
	rmutex_unlock(&st->sync_lock);
}

int store_close(struct store *st)
{
	int err;

	if (!st)
		return 0;
	if (st->use != STORE_CHANGE) {
		store_drop_pins(st);
		store_free(st);
		return 0;
	}
	store_announce_close(st);
	store_thread_stop(st);
	close_sums(st);
	err = store_sync(st);
	if (!err && !st->ephemeral) {
		err = journal_mark(st->journal, GROUP_CLOSE,
				   journal_last_lsn(st->journal));
		if (!err)
			err = journal_flush(st->journal);
		/* Only when the mark is durable may the anchor ask for it. */
		if (!err)
			err = anchor_renew_locked(st, true);
		if (err)
			store_latch(st, err, "last sync failed");
		else
			room_hand_over(st);
	}
	store_drop_pins(st);
	store_free(st);
	return err;
}

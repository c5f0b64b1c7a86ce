/* SPDX-License-Identifier: MIT */
#include "thread.h"

#include <errno.h>
#include <time.h>

#include "anchor_renew.h"
#include "compact.h"
#include "intent.h"
#include "state.h"
#include "core/arena/page_sums.h"
#include "store.h"
#include "sums.h"
#include "sync.h"

#define SYNC_INTERVAL_S 5
/* At each interval so many pages that have no sum get one (16 MiB). */
#define SETTLE_PAGES 4096U

/* Work for the next sync point, which an unchanged store does not make. */
static void tidy_sums(struct store *st)
{
	rmutex_lock(&st->sync_lock);
	(void)sums_settle(st, SETTLE_PAGES);
	if (arena_has_unrecorded(st->arena) || intent_has_idle(st, st->idle_s))
		store_touch(st);
	rmutex_unlock(&st->sync_lock);
}

/* Wakes after each interval, and when store_thread_stop() signals. */
static void *store_thread(void *arg)
{
	struct store *st = arg;
	struct timespec until;

	pthread_mutex_lock(&st->stop_lock);
	while (!st->stopping) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += SYNC_INTERVAL_S;
		if (pthread_cond_timedwait(&st->stop_cond, &st->stop_lock,
					   &until) != ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&st->stop_lock);
		if (!st->latched)
			tidy_sums(st);
		/*
		 * A failed sync was latched and logged by store_sync(); an
		 * anchor that is older than the journal is true, too.
		 */
		if (!st->latched && store_sync(st) == 0) {
			store_compact_if_grown(st);
			(void)!anchor_renew(st, false);
		}
		pthread_mutex_lock(&st->stop_lock);
	}
	pthread_mutex_unlock(&st->stop_lock);
	return NULL;
}

int store_thread_start(struct store *st)
{
	int err = pthread_create(&st->thread, NULL, store_thread, st);

	st->has_thread = err == 0;
	return -err;
}

void store_thread_stop(struct store *st)
{
	if (!st->has_thread)
		return;
	pthread_mutex_lock(&st->stop_lock);
	st->stopping = true;
	pthread_cond_signal(&st->stop_cond);
	pthread_mutex_unlock(&st->stop_lock);
	pthread_join(st->thread, NULL);
	st->has_thread = false;
}

/* SPDX-License-Identifier: MIT */
#include "thread.h"

#include <errno.h>
#include <time.h>

#include "anchor_renew.h"
#include "compact.h"
#include "state.h"
#include "sync.h"

#define SYNC_INTERVAL_S 5

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

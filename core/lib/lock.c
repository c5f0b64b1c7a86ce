/* SPDX-License-Identifier: MIT */
/*
 * Ranks only climb, so a thread holds at most one lock of each rank: one
 * pointer per rank is all that must be kept, and it says which lock is held.
 * Builds with NDEBUG keep nothing.
 */
#include "lock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define RANKS (RANK_LEAF + 1)

#ifndef NDEBUG

static _Thread_local const void *held[RANKS];

static void rank_check_above(enum lock_rank rank)
{
	assert(rank > 0 && rank < RANKS);
	for (int r = rank; r < RANKS; r++)
		assert(!held[r]);
}

static void rank_set(enum lock_rank rank, const void *lock)
{
	held[rank] = lock;
}

static void rank_clear(enum lock_rank rank, const void *lock)
{
	assert(held[rank] == lock);
	held[rank] = NULL;
}

#else

static void rank_check_above(enum lock_rank rank)
{
	(void)rank;
}

static void rank_set(enum lock_rank rank, const void *lock)
{
	(void)rank;
	(void)lock;
}

static void rank_clear(enum lock_rank rank, const void *lock)
{
	(void)rank;
	(void)lock;
}

#endif

/* Locks fail only when they are misused; then no later state is sound. */
static void must_succeed(int err)
{
	if (err)
		abort();
}

void rmutex_init(struct rmutex *m, enum lock_rank rank)
{
	must_succeed(pthread_mutex_init(&m->m, NULL));
	m->rank = rank;
}

void rmutex_fini(struct rmutex *m)
{
	must_succeed(pthread_mutex_destroy(&m->m));
}

void rmutex_lock(struct rmutex *m)
{
	rank_check_above(m->rank);
	must_succeed(pthread_mutex_lock(&m->m));
	rank_set(m->rank, m);
}

void rmutex_unlock(struct rmutex *m)
{
	rank_clear(m->rank, m);
	must_succeed(pthread_mutex_unlock(&m->m));
}

void rmutex_assert_held(const struct rmutex *m)
{
#ifndef NDEBUG
	assert(held[m->rank] == m);
#else
	(void)m;
#endif
}

void rmutex_wait(struct rmutex *m, pthread_cond_t *wake)
{
	rank_clear(m->rank, m);
	rank_check_above(m->rank);
	must_succeed(pthread_cond_wait(wake, &m->m));
	rank_set(m->rank, m);
}

void rmutex_wait_until(struct rmutex *m, pthread_cond_t *wake,
		       const struct timespec *until)
{
	int err;

	rank_clear(m->rank, m);
	rank_check_above(m->rank);
	err = pthread_cond_timedwait(wake, &m->m, until);
	must_succeed(err == ETIMEDOUT ? 0 : err);
	rank_set(m->rank, m);
}

void rwlock_init(struct rwlock *l, enum lock_rank rank)
{
	pthread_rwlockattr_t attr;

	must_succeed(pthread_rwlockattr_init(&attr));
	/*
	 * A stream of readers must not starve a rename or a compaction.  This
	 * kind forbids recursive read holds, and so do the ranks.
	 */
	must_succeed(pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
	must_succeed(pthread_rwlock_init(&l->l, &attr));
	must_succeed(pthread_rwlockattr_destroy(&attr));
	l->rank = rank;
}

void rwlock_fini(struct rwlock *l)
{
	must_succeed(pthread_rwlock_destroy(&l->l));
}

void rwlock_read(struct rwlock *l)
{
	rank_check_above(l->rank);
	must_succeed(pthread_rwlock_rdlock(&l->l));
	rank_set(l->rank, l);
}

void rwlock_write(struct rwlock *l)
{
	rank_check_above(l->rank);
	must_succeed(pthread_rwlock_wrlock(&l->l));
	rank_set(l->rank, l);
}

void rwlock_write_all(struct rwlock *l)
{
	must_succeed(pthread_rwlock_wrlock(&l->l));
}

void rwlock_unlock_all(struct rwlock *l)
{
	must_succeed(pthread_rwlock_unlock(&l->l));
}

void rwlock_unlock(struct rwlock *l)
{
	rank_clear(l->rank, l);
	must_succeed(pthread_rwlock_unlock(&l->l));
}

void lock_assert_none(void)
{
#ifndef NDEBUG
	for (int r = 0; r < RANKS; r++)
		assert(!held[r]);
#endif
}

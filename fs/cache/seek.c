/* SPDX-License-Identifier: MIT */
/*
 * With the writeback cache, and below shared mappings in any mode, the kernel
 * may hold a dirty page where the view has a hole.  The kernel sends LSEEK
 * without writing such pages back first; if the answer called such a page a
 * hole, cp(1) would lose it.  So each claim of a hole is verified: the range is
 * invalidated, which makes the kernel write its dirty pages back, and if the
 * view then gives the same answer, the answer is right.
 *
 *     answer               what it claims
 *     SEEK_DATA -> d       [off, d) is a hole
 *     SEEK_DATA -> ENXIO   [off, end) is a hole
 *     SEEK_HOLE -> h       the page at h is a hole
 *     SEEK_HOLE -> ENXIO   the file ends at or before off
 *
 * In two cases the answer is ENOSYS, after which the kernel answers by itself
 * and reports every file as data up to its end, which is always allowed:
 *
 *  - The file grows faster than the ranges can be verified.
 *  - The request came through io_uring.  Only the thread of its queue may
 *    answer it, and the kernel may need that thread to receive the pages.
 */
#include "seek.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/lock.h"
#include "fs/mount/mount.h"
#include "fs/request/node.h"
#include "fs/request/reply.h"

#define STOP_SECONDS 10
#define ROUNDS_MAX 64
#define HOLE_FIRST_BYTES (128U << 10)
#define HOLE_MOST_BYTES (64U << 20)

struct seek {
	struct seek *next;
	struct seek_request ask;
};

/* The answer of the view: `at` if err is 0. */
struct answer {
	int err;
	uint64_t at;
};

static const struct answer kernel_decides = { .err = -ENOSYS };

struct seek_queue {
	struct mount *m;	 /* fixed at birth */
	pthread_t thread;	 /* fixed at birth */
	struct rmutex lock;	 /* RANK_FS */
	pthread_cond_t wake;	 /* a request was added, or is_ending */
	struct seek *first;	 /* by lock */
	struct seek **last_next; /* by lock */
	bool is_ending;		 /* by lock */
	bool is_joined;		 /* by the caller of seek_queue_stop() */
};

static struct answer seek_ask(struct mount *m, const struct seek_request *s)
{
	struct answer a = { 0 };

	a.err = mapfs_lseek(m->view, node_file(m, s->node, s->fh), s->off,
			    s->whence, &a.at);
	return a;
}

/* Does the answer claim that a range is a hole? */
static bool claims_hole(const struct seek_request *s, const struct answer *a)
{
	if (a->err)
		return a->err == -ENXIO;
	return s->whence == SEEK_HOLE || a->at > s->off;
}

/*
 * How many bytes behind the start of a hole to verify.  The number doubles with
 * each round, so that a long run of dirty pages takes few rounds.
 */
static uint64_t hole_bytes(unsigned int round)
{
	uint64_t bytes = HOLE_FIRST_BYTES;

	while (round-- > 0 && bytes < HOLE_MOST_BYTES)
		bytes *= 2;
	return bytes;
}

/*
 * Makes the kernel write back its dirty pages of the range that `a` claims to
 * be a hole.  Rounds are counted from 0.
 */
static int flush_claim(struct mount *m, const struct seek_request *s,
		       const struct answer *a, unsigned int round)
{
	uint64_t from = s->off;
	uint64_t len = 0; /* to the end of the file */
	int err;

	if (!a->err && s->whence == SEEK_DATA) {
		len = a->at - s->off;
	} else if (!a->err) {
		from = a->at;
		len = hole_bytes(round);
	}
	if (from > INT64_MAX)
		return 0;
	if (len > INT64_MAX - from)
		len = 0;
	err = fuse_lowlevel_notify_inval_inode(m->se, s->node, (off_t)from,
					       (off_t)len);
	/* The kernel has forgotten the inode, so it holds no pages of it. */
	return err == -ENOENT ? 0 : err;
}

static struct answer seek_verify(struct mount *m, const struct seek_request *s)
{
	struct answer a = seek_ask(m, s);

	for (unsigned int round = 0; round < ROUNDS_MAX; round++) {
		struct answer again;
		int err;

		if (!claims_hole(s, &a))
			return a;
		err = flush_claim(m, s, &a, round);
		again = seek_ask(m, s);
		if (!err && again.err == a.err && again.at == a.at)
			return a;
		a = again;
	}
	return kernel_decides;
}

/* Replies with `a`, and frees `s`. */
static void seek_answer(struct seek *s, struct answer a)
{
	reply_lseek(s->ask.req, a.err, a.at);
	free(s);
}

/* The next request; NULL when the queue is empty and ends. */
static struct seek *queue_take(struct seek_queue *q)
{
	struct seek *s;

	rmutex_lock(&q->lock);
	/* Woken by queue_put() and seek_queue_stop(). */
	while (!q->first && !q->is_ending)
		rmutex_wait(&q->lock, &q->wake);
	s = q->first;
	if (s)
		q->first = s->next;
	if (!q->first)
		q->last_next = &q->first;
	rmutex_unlock(&q->lock);
	return s;
}

static void *queue_run(void *arg)
{
	struct seek_queue *q = arg;
	struct seek *s;

	while ((s = queue_take(q)) != NULL)
		seek_answer(s, seek_verify(q->m, &s->ask));
	return NULL;
}

int seek_queue_create(struct seek_queue **out, struct mount *m)
{
	struct seek_queue *q = calloc(1, sizeof(*q));
	int err;

	if (!q)
		return -ENOMEM;
	q->m = m;
	q->last_next = &q->first;
	rmutex_init(&q->lock, RANK_FS);
	pthread_cond_init(&q->wake, NULL);
	err = pthread_create(&q->thread, NULL, queue_run, q);
	if (err) {
		pthread_cond_destroy(&q->wake);
		rmutex_fini(&q->lock);
		free(q);
		return -err;
	}
	*out = q;
	return 0;
}

int seek_queue_stop(struct seek_queue *q)
{
	struct timespec until;
	int err;

	rmutex_lock(&q->lock);
	q->is_ending = true;
	pthread_cond_signal(&q->wake);
	rmutex_unlock(&q->lock);
	if (q->is_joined)
		return 0;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_SECONDS;
	err = -pthread_timedjoin_np(q->thread, NULL, &until);
	q->is_joined = !err;
	return err;
}

void seek_queue_destroy(struct seek_queue *q)
{
	if (!q)
		return;
	assert(q->is_joined);
	assert(!q->first);
	pthread_cond_destroy(&q->wake);
	rmutex_fini(&q->lock);
	free(q);
}

/* False: the thread ends, and would not answer. */
static bool queue_put(struct seek_queue *q, struct seek *s)
{
	bool is_taken;

	rmutex_lock(&q->lock);
	is_taken = !q->is_ending;
	if (is_taken) {
		*q->last_next = s;
		q->last_next = &s->next;
		pthread_cond_signal(&q->wake);
	}
	rmutex_unlock(&q->lock);
	return is_taken;
}

void seek_queue_add(struct seek_queue *q, const struct seek_request *ask)
{
	struct seek *s = malloc(sizeof(*s));

	if (!s) {
		reply_err(ask->req, -ENOMEM);
		return;
	}
	*s = (struct seek){ .ask = *ask };
	if (reply_is_ring(ask->req) || !queue_put(q, s))
		seek_answer(s, kernel_decides);
}

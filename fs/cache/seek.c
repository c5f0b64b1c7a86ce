/* SPDX-License-Identifier: MIT */
/*
 * SEEK_DATA and SEEK_HOLE, where the kernel holds bytes we have not seen.
 *
 * With the writeback cache, and below shared mappings in any mode, a page
 * may have been written into a hole without a WRITE so far.  The kernel asks
 * LSEEK without sending it first; an answer that calls such a page a hole
 * makes cp lose it.  So each claim of a hole is checked: invalidating the
 * range makes the kernel send its dirty pages, and if the answer is then the
 * same, it holds.
 *
 *     claim:   SEEK_DATA -> d      [off, d) is a hole
 *              SEEK_DATA -> ENXIO  [off, end) is a hole
 *              SEEK_HOLE -> h      the page at h is a hole
 *              SEEK_HOLE -> ENXIO  the file ends at or before off
 *
 * A file that grows faster than we look gets ENOSYS: from then on the kernel
 * answers itself, and calls every file data to its end, which is always
 * allowed.  So does a request that came through io_uring: only the thread of
 * its queue may answer it, and the kernel may need that very thread to take
 * the pages.
 */
#include "seek.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fs/mount/mount.h"
#include "fs/request/node.h"
#include "fs/request/reply.h"

#define STOP_SECONDS 10
#define ROUNDS_MAX 64
#define HOLE_FIRST_BYTES (128U << 10)
#define HOLE_MOST_BYTES (64U << 20)

struct seek {
	struct seek *next;
	fuse_req_t req;
	fuse_ino_t node;
	uint64_t fh;
	uint64_t off;
	int whence;
};

/* What LSEEK would answer: `at` when err is 0. */
struct answer {
	int err;
	uint64_t at;
};

static const struct answer kernel_decides = { .err = -ENOSYS };

struct seek_queue {
	struct mount *m;	 /* fixed at birth */
	pthread_t thread;	 /* fixed at birth */
	pthread_mutex_t lock;	 /* never held across a call out */
	pthread_cond_t wake;	 /* a request came, or the end */
	struct seek *first;	 /* by lock */
	struct seek **last_next; /* by lock */
	bool is_ending;		 /* by lock */
	bool is_joined;		 /* by whoever stops it; one at a time */
};

static struct answer seek_ask(struct mount *m, const struct seek *s)
{
	struct answer a = { 0 };

	a.err = mapfs_lseek(m->view, node_file(m, s->node, s->fh), s->off,
			    s->whence, &a.at);
	return a;
}

/* Whether `a` calls anything a hole. */
static bool claims_hole(const struct seek *s, const struct answer *a)
{
	if (a->err)
		return a->err == -ENXIO;
	return s->whence == SEEK_HOLE || a->at > s->off;
}

/* How far to look behind a hole: the more often we had to, the farther. */
static uint64_t hole_bytes(unsigned int round)
{
	uint64_t bytes = HOLE_FIRST_BYTES;

	while (round-- > 0 && bytes < HOLE_MOST_BYTES)
		bytes *= 2;
	return bytes;
}

/* The kernel sends its dirty pages of what `a` claims; `round` from 0. */
static int flush_claim(struct mount *m, const struct seek *s,
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
	/* The kernel does not know the inode: it holds no pages of it. */
	return err == -ENOENT ? 0 : err;
}

static struct answer seek_settle(struct mount *m, const struct seek *s)
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

/* Answers with `a`, and frees `s`. */
static void seek_answer(struct seek *s, struct answer a)
{
	reply_lseek(s->req, a.err, a.at);
	free(s);
}

/* The next request, or NULL when all are answered and no more come. */
static struct seek *seek_queue_take(struct seek_queue *q)
{
	struct seek *s;

	pthread_mutex_lock(&q->lock);
	/* Woken by seek_queue_add() and seek_queue_stop(). */
	while (!q->first && !q->is_ending)
		pthread_cond_wait(&q->wake, &q->lock);
	s = q->first;
	if (s)
		q->first = s->next;
	if (!q->first)
		q->last_next = &q->first;
	pthread_mutex_unlock(&q->lock);
	return s;
}

static void *seek_queue_run(void *arg)
{
	struct seek_queue *q = arg;
	struct seek *s;

	while ((s = seek_queue_take(q)) != NULL)
		seek_answer(s, seek_settle(q->m, s));
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
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->wake, NULL);
	err = pthread_create(&q->thread, NULL, seek_queue_run, q);
	if (err) {
		pthread_cond_destroy(&q->wake);
		pthread_mutex_destroy(&q->lock);
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

	pthread_mutex_lock(&q->lock);
	q->is_ending = true;
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
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
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* False: the thread is ending, nobody would answer. */
static bool seek_queue_put(struct seek_queue *q, struct seek *s)
{
	bool is_taken;

	pthread_mutex_lock(&q->lock);
	is_taken = !q->is_ending;
	if (is_taken) {
		*q->last_next = s;
		q->last_next = &s->next;
		pthread_cond_signal(&q->wake);
	}
	pthread_mutex_unlock(&q->lock);
	return is_taken;
}

void seek_queue_add(struct seek_queue *q, fuse_req_t req, fuse_ino_t node,
		    uint64_t fh, uint64_t off, int whence)
{
	struct seek *s = malloc(sizeof(*s));

	if (!s) {
		reply_err(req, -ENOMEM);
		return;
	}
	*s = (struct seek){
		.req = req,
		.node = node,
		.fh = fh,
		.off = off,
		.whence = whence,
	};
	if (reply_is_ring(req) || !seek_queue_put(q, s))
		seek_answer(s, kernel_decides);
}

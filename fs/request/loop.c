/* SPDX-License-Identifier: MIT */
/*
 * Each thread counts its turns:
 *
 *    even   waits in read(2) for a request, or holds one that it has not
 *           looked at yet; nobody can tell which
 *    odd    serves a request
 *
 * A thread at an odd turn has done what it had when it reaches the next even
 * one.  At an even turn it might hold a request that the kernel gave out just
 * before, so it must pass a whole turn; one that waits in vain would not, and
 * is sent a signal that ends its read with EINTR, which counts as a turn.
 * The signal goes out again every now and then: the thread may have been on
 * its way into read.  It is never sent to a thread at work, because system
 * calls on the base or the store should not see EINTR.
 *
 * As in libfuse a thread is added when a request leaves none waiting, and
 * threads stay: making them costs more than keeping them.
 */
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define KICK_SIGNAL SIGUSR1
#define KICK_NS 200000
#define TURN_GONE (UINT64_MAX - 1) /* even, and never waited for */

struct worker {
	struct loop *loop;     /* fixed at birth */
	pthread_t thread;      /* fixed at birth */
	_Atomic uint64_t turn; /* its own thread's to change */
};

struct loop {
	struct fuse_session *se;	     /* fixed at birth */
	unsigned int max_threads;	     /* fixed at birth */
	struct worker workers[LOOP_THREADS]; /* the first `count` */
	_Atomic unsigned int count;	     /* by lock; read freely */
	atomic_int idle;		     /* threads that wait */
	atomic_bool has_begun;		     /* a first request has come */
	atomic_int err;			     /* why it ended, or 0 */
	pthread_mutex_t lock;
	pthread_cond_t over; /* a thread left, or loop_stop() */
	bool is_over;	     /* by lock */
};

static _Thread_local struct worker *self; /* NULL: serves nothing */

static const struct timespec pause_between_kicks = { .tv_nsec = KICK_NS };

/* Its only effect is EINTR. */
static void on_kick(int sig)
{
	(void)sig;
}

static void loop_end(struct loop *l)
{
	fuse_session_exit(l->se);
	pthread_mutex_lock(&l->lock);
	l->is_over = true;
	pthread_cond_signal(&l->over);
	pthread_mutex_unlock(&l->lock);
}

static void *worker_run(void *arg);

static int loop_add_thread(struct loop *l)
{
	unsigned int n;
	int err = 0;

	pthread_mutex_lock(&l->lock);
	n = atomic_load(&l->count);
	if (n < l->max_threads && !l->is_over) {
		struct worker *w = &l->workers[n];

		w->loop = l;
		atomic_fetch_add(&l->idle, 1);
		/* A mark waits for the lock, so it does not miss the thread. */
		err = -pthread_create(&w->thread, NULL, worker_run, w);
		if (err)
			atomic_fetch_sub(&l->idle, 1);
		else
			atomic_store(&l->count, n + 1);
	}
	pthread_mutex_unlock(&l->lock);
	return err;
}

/* FORGET comes in bursts, wants no answer and is no reason for a thread. */
static bool is_forget(const struct fuse_buf *buf)
{
	const struct fuse_in_header *in = buf->mem;

	return in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET;
}

static void worker_serve(struct worker *w, const struct fuse_buf *buf)
{
	struct loop *l = w->loop;
	bool is_busy = !is_forget(buf);
	bool is_first = !atomic_exchange(&l->has_begun, true);

	atomic_fetch_add(&w->turn, 1);
	/* The very first request settles how all others look: alone. */
	if (is_busy && atomic_fetch_sub(&l->idle, 1) == 1 && !is_first &&
	    atomic_load(&l->count) < l->max_threads && loop_add_thread(l))
		fuse_log(FUSE_LOG_WARNING, "no more threads to be had\n");
	fuse_session_process_buf(l->se, buf);
	if (is_busy)
		atomic_fetch_add(&l->idle, 1);
	atomic_fetch_add(&w->turn, 1);
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	struct loop *l = w->loop;
	struct fuse_buf buf = { 0 };

	self = w;
	while (!fuse_session_exited(l->se)) {
		int n = fuse_session_receive_buf(l->se, &buf);

		if (n == -EINTR) {
			atomic_fetch_add(&w->turn, 2);
			continue;
		}
		if (n < 0)
			atomic_store(&l->err, n);
		if (n <= 0)
			break;
		worker_serve(w, &buf);
	}
	free(buf.mem);
	atomic_store(&w->turn, TURN_GONE);
	loop_end(l);
	return NULL;
}

static bool is_waiting(const struct worker *w)
{
	return atomic_load(&w->turn) % 2 == 0;
}

/* Until worker `n` has reached `turn`. */
static void worker_pass(struct loop *l, unsigned int n, uint64_t turn)
{
	struct worker *w = &l->workers[n];

	/* Ends: a kick makes a waiting thread count, requests end. */
	while (atomic_load(&w->turn) < turn) {
		if (is_waiting(w))
			pthread_kill(w->thread, KICK_SIGNAL);
		if (atomic_load(&w->turn) < turn)
			nanosleep(&pause_between_kicks, NULL);
	}
}

int loop_create(struct loop **out, struct fuse_session *se,
		unsigned int max_threads)
{
	struct sigaction kick = { .sa_handler = on_kick };
	struct loop *l = calloc(1, sizeof(*l));

	assert(max_threads > 0);
	assert(max_threads <= LOOP_THREADS);
	if (!l)
		return -ENOMEM;
	/* No SA_RESTART: read(2) must end. */
	if (sigaction(KICK_SIGNAL, &kick, NULL) < 0) {
		int err = -errno;

		free(l);
		return err;
	}
	l->se = se;
	l->max_threads = max_threads;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->over, NULL);
	*out = l;
	return 0;
}

int loop_run(struct loop *l)
{
	int err = loop_add_thread(l);
	unsigned int count;

	if (err)
		return err;
	pthread_mutex_lock(&l->lock);
	/* Woken by a thread that leaves, and by loop_stop(). */
	while (!l->is_over)
		pthread_cond_wait(&l->over, &l->lock);
	pthread_mutex_unlock(&l->lock);
	/* No thread is added any more. */
	count = atomic_load(&l->count);
	for (unsigned int n = 0; n < count; n++)
		worker_pass(l, n, TURN_GONE);
	return atomic_load(&l->err);
}

void loop_stop(struct loop *l)
{
	loop_end(l);
}

void loop_mark(struct loop *l, struct loop_mark *out)
{
	pthread_mutex_lock(&l->lock);
	out->count = atomic_load(&l->count);
	for (unsigned int n = 0; n < out->count; n++) {
		uint64_t turn = atomic_load(&l->workers[n].turn);

		out->until[n] = turn % 2 ? turn + 1 : turn + 2;
		if (&l->workers[n] == self)
			out->until[n] = 0; /* has done all before this */
	}
	pthread_mutex_unlock(&l->lock);
}

void loop_wait(struct loop *l, const struct loop_mark *mark)
{
	for (unsigned int n = 0; n < mark->count; n++) {
		/* A thread that left took nothing with it. */
		if (mark->until[n] < TURN_GONE)
			worker_pass(l, n, mark->until[n]);
	}
}

void loop_destroy(struct loop *l)
{
	if (!l)
		return;
	for (unsigned int n = 0; n < atomic_load(&l->count); n++)
		pthread_join(l->workers[n].thread, NULL);
	pthread_cond_destroy(&l->over);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

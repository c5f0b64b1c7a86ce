/* SPDX-License-Identifier: MIT */
/*
 * Each worker thread counts its turns:
 *
 *    even   the thread waits in read(2) for a request, or has just received
 *           one; other threads cannot tell which
 *    odd    the thread serves a request
 *
 * A thread at an odd turn has finished its request when it reaches the next
 * even turn.  A thread at an even turn may hold a request that the kernel gave
 * it a moment ago, so it must advance by two turns.  A thread that waits for a
 * request would not advance: it is sent a signal, which ends read(2) with
 * EINTR, and EINTR counts as two turns.  The signal is repeated, because the
 * thread may not have reached read(2) when the first one arrived.  A thread
 * that serves a request is never sent the signal: system calls on the base or
 * the store must not return EINTR.
 *
 * As in libfuse's loop a thread is added when a request leaves no thread
 * waiting.  Threads stay until the end, because a new thread costs more than
 * an idle one.
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

#include "core/lib/lock.h"

#define KICK_SIGNAL SIGUSR1
#define KICK_NS 200000
#define TURN_GONE (UINT64_MAX - 1) /* the thread has ended; even */

struct worker {
	struct loop *loop;     /* fixed at birth */
	pthread_t thread;      /* fixed at birth */
	_Atomic uint64_t turn; /* changed by its own thread only */
};

struct loop {
	struct fuse_session *se;	     /* fixed at birth */
	unsigned int max_threads;	     /* fixed at birth */
	struct worker workers[LOOP_THREADS]; /* `count` are in use */
	_Atomic unsigned int count;	     /* changed by lock; read without */
	atomic_int idle;		     /* threads that wait; atomic */
	atomic_bool has_begun;		     /* the first request has arrived */
	atomic_int err;			     /* why the loop ended, or 0 */
	struct rmutex lock;
	pthread_cond_t over; /* signalled when a thread ends, or by loop_stop() */
	bool is_over;	     /* by lock */
};

static _Thread_local struct worker *self; /* NULL: not a worker thread */

static const struct timespec pause_between_kicks = { .tv_nsec = KICK_NS };

/* Does nothing: the signal serves to end read(2) with EINTR. */
static void on_kick(int sig)
{
	(void)sig;
}

static void loop_end(struct loop *l)
{
	fuse_session_exit(l->se);
	rmutex_lock(&l->lock);
	l->is_over = true;
	pthread_cond_signal(&l->over);
	rmutex_unlock(&l->lock);
}

static void *worker_run(void *arg);

static int loop_add_thread(struct loop *l)
{
	unsigned int n;
	int err = 0;

	rmutex_lock(&l->lock);
	n = atomic_load(&l->count);
	if (n < l->max_threads && !l->is_over) {
		struct worker *w = &l->workers[n];

		w->loop = l;
		atomic_fetch_add(&l->idle, 1);
		/* loop_mark() takes the lock, so it sees the new thread. */
		err = -pthread_create(&w->thread, NULL, worker_run, w);
		if (err)
			atomic_fetch_sub(&l->idle, 1);
		else
			atomic_store(&l->count, n + 1);
	}
	rmutex_unlock(&l->lock);
	return err;
}

/* FORGET has no answer that a program waits for: it adds no thread. */
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
	/* INIT negotiates the form of all other requests: it is served alone. */
	if (is_busy && atomic_fetch_sub(&l->idle, 1) == 1 && !is_first &&
	    atomic_load(&l->count) < l->max_threads && loop_add_thread(l))
		fuse_log(FUSE_LOG_WARNING,
			 "cannot start another thread; requests "
			 "may wait longer\n");
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

/* Returns when worker `n` has reached `turn`. */
static void worker_pass(struct loop *l, unsigned int n, uint64_t turn)
{
	struct worker *w = &l->workers[n];

	/* Ends: a signal makes a waiting thread count, and requests end. */
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
	/* Without SA_RESTART, so that read(2) returns EINTR. */
	if (sigaction(KICK_SIGNAL, &kick, NULL) < 0) {
		int err = -errno;

		free(l);
		return err;
	}
	l->se = se;
	l->max_threads = max_threads;
	rmutex_init(&l->lock, RANK_FS);
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
	rmutex_lock(&l->lock);
	/* Woken by a thread that ends, and by loop_stop(). */
	while (!l->is_over)
		rmutex_wait(&l->lock, &l->over);
	rmutex_unlock(&l->lock);
	/* No thread is added from here on: is_over is set. */
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
	rmutex_lock(&l->lock);
	out->count = atomic_load(&l->count);
	for (unsigned int n = 0; n < out->count; n++) {
		uint64_t turn = atomic_load(&l->workers[n].turn);

		out->until[n] = turn % 2 ? turn + 1 : turn + 2;
		if (&l->workers[n] == self)
			out->until[n] = 0; /* earlier requests are done */
	}
	rmutex_unlock(&l->lock);
}

void loop_wait(struct loop *l, const struct loop_mark *mark)
{
	for (unsigned int n = 0; n < mark->count; n++) {
		/* A thread that has ended has no request. */
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
	rmutex_fini(&l->lock);
	free(l);
}

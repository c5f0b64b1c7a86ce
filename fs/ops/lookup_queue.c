/* SPDX-License-Identifier: MIT */
/*
 * The queue needs no limit of its own: each request in it holds up the program
 * or the thread of the NFS server that opens a handle.
 */
#include "lookup_queue.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/lib/lock.h"
#include "fs/mount/mount.h"
#include "fs/request/reply.h"

struct lookup {
	struct lookup *next;
	fuse_req_t req;
	mapfs_ino ino;
	bool is_parent; /* "..", else "." */
};

struct lookup_queue {
	struct mount *m;	   /* fixed at birth */
	pthread_t thread;	   /* by lock; valid once is_started */
	struct rmutex lock;	   /* RANK_FS */
	pthread_cond_t wake;	   /* a request was added, or is_ending */
	struct lookup *first;	   /* by lock */
	struct lookup **last_next; /* by lock */
	bool is_started;	   /* by lock */
	bool is_ending;		   /* by lock */
};

/* Answers and frees `l`. */
static void lookup_answer(struct mount *m, struct lookup *l)
{
	struct mapfs_entry e;
	int err = mapfs_lookup_far(m->view, l->ino, l->is_parent ? ".." : ".",
				   &e);

	reply_entry(m, l->req, err, &e);
	free(l);
}

/* The next request; NULL when the queue is empty and ends. */
static struct lookup *queue_take(struct lookup_queue *q)
{
	struct lookup *l;

	rmutex_lock(&q->lock);
	/* Woken by queue_put() and lookup_queue_stop(). */
	while (!q->first && !q->is_ending)
		rmutex_wait(&q->lock, &q->wake);
	l = q->first;
	if (l)
		q->first = l->next;
	if (!q->first)
		q->last_next = &q->first;
	rmutex_unlock(&q->lock);
	return l;
}

static void *queue_run(void *arg)
{
	struct lookup_queue *q = arg;
	struct lookup *l;

	while ((l = queue_take(q)) != NULL)
		lookup_answer(q->m, l);
	return NULL;
}

int lookup_queue_create(struct lookup_queue **out, struct mount *m)
{
	struct lookup_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->m = m;
	q->last_next = &q->first;
	rmutex_init(&q->lock, RANK_FS);
	pthread_cond_init(&q->wake, NULL);
	*out = q;
	return 0;
}

void lookup_queue_stop(struct lookup_queue *q)
{
	bool must_join;

	rmutex_lock(&q->lock);
	must_join = q->is_started && !q->is_ending;
	q->is_ending = true;
	pthread_cond_signal(&q->wake);
	rmutex_unlock(&q->lock);
	mapfs_interrupt(q->m->view);
	if (must_join)
		pthread_join(q->thread, NULL);
}

void lookup_queue_destroy(struct lookup_queue *q)
{
	if (!q)
		return;
	assert(!q->first);
	pthread_cond_destroy(&q->wake);
	rmutex_fini(&q->lock);
	free(q);
}

/* False: there is no thread that would answer. */
static bool queue_put(struct lookup_queue *q, struct lookup *l)
{
	bool is_taken;

	rmutex_lock(&q->lock);
	if (!q->is_started && !q->is_ending)
		q->is_started =
			pthread_create(&q->thread, NULL, queue_run, q) == 0;
	is_taken = q->is_started && !q->is_ending;
	if (is_taken) {
		*q->last_next = l;
		q->last_next = &l->next;
		pthread_cond_signal(&q->wake);
	}
	rmutex_unlock(&q->lock);
	return is_taken;
}

void lookup_queue_add(struct lookup_queue *q, fuse_req_t req, mapfs_ino ino,
		      const char *name)
{
	struct lookup *l = malloc(sizeof(*l));

	if (!l) {
		reply_err(req, -ENOMEM);
		return;
	}
	*l = (struct lookup){
		.req = req,
		.ino = ino,
		.is_parent = name[1] != '\0',
	};
	/* Only the thread of its ring may answer a request of io_uring. */
	if (reply_is_ring(req) || !queue_put(q, l))
		lookup_answer(q->m, l);
}

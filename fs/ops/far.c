/* SPDX-License-Identifier: MIT */
/*
 * A queue and one thread.  The kernel bounds the queue: each request in it
 * holds up the program, or the thread of the NFS server, that opens a handle.
 */
#include "far.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fs/mount/mount.h"
#include "fs/request/reply.h"

struct ask {
	struct ask *next;
	fuse_req_t req;
	mapfs_ino ino;
	bool is_above;
};

struct far {
	struct mount *m;	/* fixed at birth */
	pthread_t thread;	/* by lock; once is_started */
	pthread_mutex_t lock;	/* never held across a call out */
	pthread_cond_t wake;	/* a request came, or the end */
	struct ask *first;	/* by lock */
	struct ask **last_next; /* by lock */
	bool is_started;	/* by lock */
	bool is_ending;		/* by lock */
};

static void ask_answer(struct mount *m, struct ask *a)
{
	struct mapfs_entry e;
	int err =
		mapfs_lookup_far(m->view, a->ino, a->is_above ? ".." : ".", &e);

	reply_entry(m, a->req, err, &e);
	free(a);
}

/* The next request, or NULL when all are answered and no more come. */
static struct ask *far_take(struct far *f)
{
	struct ask *a;

	pthread_mutex_lock(&f->lock);
	/* Woken by far_put() and far_stop(). */
	while (!f->first && !f->is_ending)
		pthread_cond_wait(&f->wake, &f->lock);
	a = f->first;
	if (a)
		f->first = a->next;
	if (!f->first)
		f->last_next = &f->first;
	pthread_mutex_unlock(&f->lock);
	return a;
}

static void *far_run(void *arg)
{
	struct far *f = arg;
	struct ask *a;

	while ((a = far_take(f)) != NULL)
		ask_answer(f->m, a);
	return NULL;
}

int far_create(struct far **out, struct mount *m)
{
	struct far *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->m = m;
	f->last_next = &f->first;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->wake, NULL);
	*out = f;
	return 0;
}

void far_stop(struct far *f)
{
	bool is_started;

	pthread_mutex_lock(&f->lock);
	is_started = f->is_started && !f->is_ending;
	f->is_ending = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	mapfs_interrupt(f->m->view);
	if (is_started)
		pthread_join(f->thread, NULL);
}

void far_destroy(struct far *f)
{
	if (!f)
		return;
	assert(!f->first);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* False: there is no thread, or it is ending. */
static bool far_put(struct far *f, struct ask *a)
{
	bool is_taken;

	pthread_mutex_lock(&f->lock);
	if (!f->is_started && !f->is_ending)
		f->is_started = pthread_create(&f->thread, NULL, far_run, f) ==
				0;
	is_taken = f->is_started && !f->is_ending;
	if (is_taken) {
		*f->last_next = a;
		f->last_next = &a->next;
		pthread_cond_signal(&f->wake);
	}
	pthread_mutex_unlock(&f->lock);
	return is_taken;
}

bool far_is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

void far_lookup(struct far *f, fuse_req_t req, mapfs_ino ino, const char *name)
{
	struct ask *a = malloc(sizeof(*a));

	if (!a) {
		reply_err(req, -ENOMEM);
		return;
	}
	*a = (struct ask){ .req = req,
			   .ino = ino,
			   .is_above = name[1] != '\0' };
	/* A ring's requests are answered by the ring's own thread. */
	if (reply_is_ring(req) || !far_put(f, a))
		ask_answer(f->m, a);
}

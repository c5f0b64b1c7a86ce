/* SPDX-License-Identifier: MIT */
/*
 * The states of a job:
 *
 *    WAITS ---> RUNS ---> DONE -----> forgotten
 *                '------> FAILED ---'
 *
 *    to RUNS            queue_take()
 *    to DONE, FAILED    queue_run()
 *    forgotten          once the result was read to the end; or by
 *                       queue_expire_locked(), if no client asks
 *
 * There are few jobs, so they are a list.
 */
#include "job_queue.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "core/lib/lock.h"
#include "fs/mount/mount.h"
#include "job.h"

#define JOBS_MAX 32
#define FORGET_MS 60000
#define FORGET_FULL_MS 2000 /* when the queue is full */
#define STOP_SECONDS 60

struct job_queue {
	struct mount *m;     /* fixed at birth */
	pthread_t thread;    /* fixed at birth */
	struct rmutex lock;  /* RANK_FS */
	pthread_cond_t wake; /* a job was added, or is_ending */
	struct job *first;   /* by lock; oldest first */
	unsigned int count;  /* by lock */
	uint64_t last_id;    /* by lock */
	bool is_ending;	     /* by lock */
	bool is_joined;	     /* by the caller of job_queue_stop() */
};

/* Forgets the job that `at` points to. */
static void queue_drop_locked(struct job_queue *q, struct job **at)
{
	struct job *job = *at;

	*at = job->next;
	q->count--;
	job_destroy(job);
}

static void queue_expire_locked(struct job_queue *q, int64_t forget_ms)
{
	struct job **at = &q->first;

	while (*at) {
		if (job_is_over(*at) && job_unseen_ms(*at) > forget_ms)
			queue_drop_locked(q, at);
		else
			at = &(*at)->next;
	}
}

static struct job *queue_next_locked(struct job_queue *q)
{
	struct job *job = q->first;

	while (job && job->state != MAPFS_JOB_WAITS)
		job = job->next;
	return job;
}

/* Without jobs nothing expires, so the wait has no end of its own. */
static void queue_wait_locked(struct job_queue *q)
{
	struct timespec until;

	if (!q->first) {
		rmutex_wait(&q->lock, &q->wake);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += FORGET_MS / 1000;
	rmutex_wait_until(&q->lock, &q->wake, &until);
}

/* The next job to run, or NULL at the end. */
static struct job *queue_take(struct job_queue *q)
{
	struct job *job;

	rmutex_lock(&q->lock);
	/* Woken by job_queue_start(), job_queue_stop() and the time. */
	while (!(job = queue_next_locked(q)) && !q->is_ending) {
		queue_wait_locked(q);
		queue_expire_locked(q, FORGET_MS);
	}
	if (job)
		job->state = MAPFS_JOB_RUNS;
	rmutex_unlock(&q->lock);
	return job;
}

static int job_run(struct mount *m, struct job *job)
{
	int err = -ECANCELED;

	if (job_is_wanted(job))
		err = commands_run(m, job);
	return err ? err : job->result.err;
}

/*
 * A command that drops a million changes, or a second view of as many, leaves
 * free memory, which the C library would keep.  Threads that allocate wait while
 * it looks for whole pages, so it does not look after commands that leave none.
 */
static void return_memory(const struct job *job)
{
#ifdef __GLIBC__
	if (commands_free_much(&job->ask))
		(void)malloc_trim(0);
#else
	(void)job;
#endif
}

static void *queue_run(void *arg)
{
	struct job_queue *q = arg;
	struct job *job;

	while ((job = queue_take(q)) != NULL) {
		job->err = job_run(q->m, job);
		if (job->err)
			wire_out_fini(&job->result);
		return_memory(job);
		rmutex_lock(&q->lock);
		job->state = job->err ? MAPFS_JOB_FAILED : MAPFS_JOB_DONE;
		job->result_bytes = job->parted_bytes + job->result.len;
		job_touch(job);
		rmutex_unlock(&q->lock);
	}
	return NULL;
}

int job_queue_create(struct job_queue **out, struct mount *m)
{
	struct job_queue *q = calloc(1, sizeof(*q));
	int err;

	if (!q)
		return -ENOMEM;
	q->m = m;
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

static int queue_add_locked(struct job_queue *q, struct job *job)
{
	struct job **at = &q->first;

	queue_expire_locked(q, FORGET_MS);
	if (q->is_ending)
		return -ESHUTDOWN;
	if (q->count >= JOBS_MAX)
		queue_expire_locked(q, FORGET_FULL_MS);
	if (q->count >= JOBS_MAX)
		return -EBUSY;
	while (*at)
		at = &(*at)->next;
	*at = job;
	q->count++;
	job->ask.job = ++q->last_id;
	job_touch(job);
	pthread_cond_signal(&q->wake);
	return 0;
}

int job_queue_start(struct job_queue *q, struct mapfs_control_start *ask)
{
	struct job *job;
	int err = job_create(&job, ask);

	if (err)
		return err;
	barrier_take(q->m, ask->since, &job->barrier);
	rmutex_lock(&q->lock);
	err = queue_add_locked(q, job);
	if (!err)
		ask->job = job->ask.job;
	rmutex_unlock(&q->lock);
	if (err)
		job_destroy(job);
	return err;
}

/* The link to the job, or NULL. */
static struct job **queue_find_locked(struct job_queue *q, uint64_t id)
{
	struct job **at = &q->first;

	while (*at && (*at)->ask.job != id)
		at = &(*at)->next;
	return *at ? at : NULL;
}

static void poll_fill(struct mount *m, struct job *job,
		      struct mapfs_control_poll *out)
{
	uint64_t compaction_all = atomic_load(&m->compaction_all_bytes);

	*out = (struct mapfs_control_poll){
		.bytes = sizeof(*out),
		.state = (uint32_t)job->state,
		.job = job->ask.job,
		.done = atomic_load(compaction_all ? &m->compaction_done_bytes :
						     &job->done),
		.all = compaction_all,
	};
	if (!job_is_over(job))
		return;
	job->is_told = true;
	out->err = job->err;
	out->result_bytes = job->err ? 0 : job->result_bytes;
	/* The field is shorter than a reason. */
	memcpy(out->why, job->why.text, sizeof(out->why));
	out->why[sizeof(out->why) - 1] = '\0';
}

int job_queue_poll(struct job_queue *q, struct mapfs_control_poll *poll)
{
	struct job **at;
	int err = -ENOENT;

	rmutex_lock(&q->lock);
	queue_expire_locked(q, FORGET_MS);
	at = queue_find_locked(q, poll->job);
	if (at) {
		err = 0;
		job_touch(*at);
		poll_fill(q->m, *at, poll);
		if (job_is_over(*at) && (*at)->read_bytes >= poll->result_bytes)
			queue_drop_locked(q, at);
	}
	rmutex_unlock(&q->lock);
	return err;
}

static void read_fill(struct job *job, struct mapfs_control_read *out)
{
	const size_t at = (size_t)(out->off - job->reading_off);
	const size_t left = job->reading.len - at;

	out->bytes = sizeof(*out);
	out->len = left < CONTROL_READ_BYTES ? (uint32_t)left :
					       CONTROL_READ_BYTES;
	memset(out->chunk, 0, sizeof(out->chunk));
	memcpy(out->chunk, job->reading.mem + at, out->len);
	job->read_bytes = out->off + out->len;
}

int job_queue_read(struct job_queue *q, struct mapfs_control_read *read)
{
	struct job **at;
	int err = -ENOENT;

	rmutex_lock(&q->lock);
	at = queue_find_locked(q, read->job);
	if (at) {
		job_touch(*at);
		err = job_find_part(*at, read->off);
	}
	if (!err) {
		read_fill(*at, read);
		if ((*at)->is_told && (*at)->read_bytes == (*at)->result_bytes)
			queue_drop_locked(q, at);
	}
	rmutex_unlock(&q->lock);
	return err;
}

int job_queue_stop(struct job_queue *q)
{
	struct timespec until;
	int err;

	rmutex_lock(&q->lock);
	q->is_ending = true;
	for (struct job *job = q->first; job; job = job->next)
		atomic_store(&job->is_unwanted, true);
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

void job_queue_destroy(struct job_queue *q)
{
	if (!q)
		return;
	assert(q->is_joined);
	while (q->first)
		queue_drop_locked(q, &q->first);
	pthread_cond_destroy(&q->wake);
	rmutex_fini(&q->lock);
	free(q);
}

/* SPDX-License-Identifier: MIT */
/*
 *    WAITS ---> RUNS ---> DONE ----> forgotten: read to its end, or a minute
 *                '------> FAILED -->            after anybody asked
 *
 * A job whose client no longer asks is told to stop when it next looks at
 * job_is_wanted().  Jobs are few, so they are a list.
 */
#include "job.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "fs/mount/mount.h"

#define JOBS_MOST 32
#define FORGET_MS 60000
#define FORGET_FULL_MS 2000 /* when others need the place */
#define UNWANTED_MS 10000
#define STOP_SECONDS 60

struct jobs {
	struct mount *m;      /* fixed at birth */
	pthread_t thread;     /* fixed at birth */
	pthread_mutex_t lock; /* never held across a call out */
	pthread_cond_t wake;  /* a job came, or the end */
	struct job *first;    /* by lock; oldest first */
	unsigned int count;   /* by lock */
	uint64_t last_id;     /* by lock */
	bool is_ending;	      /* by lock */
	bool is_joined;	      /* by whoever stops it; one at a time */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static bool is_over(const struct job *job)
{
	return job->state == MAPFS_JOB_DONE || job->state == MAPFS_JOB_FAILED;
}

static void job_free(struct job *job)
{
	wire_out_fini(&job->result);
	free(job);
}

/* Forgets what `at` points to; lock held. */
static void job_drop_locked(struct jobs *j, struct job **at)
{
	struct job *job = *at;

	*at = job->next;
	j->count--;
	job_free(job);
}

bool job_is_wanted(const struct job *job)
{
	return !atomic_load(&job->is_unwanted) &&
	       now_ms() - atomic_load(&job->seen_ms) <= UNWANTED_MS;
}

static void jobs_expire_locked(struct jobs *j, int64_t forget_ms)
{
	struct job **at = &j->first;
	int64_t now = now_ms();

	while (*at) {
		struct job *job = *at;

		if (is_over(job) && now - job->seen_ms > forget_ms)
			job_drop_locked(j, at);
		else
			at = &job->next;
	}
}

static struct job *next_waiting(struct jobs *j)
{
	struct job *job = j->first;

	while (job && job->state != MAPFS_JOB_WAITS)
		job = job->next;
	return job;
}

static void jobs_wait_locked(struct jobs *j)
{
	struct timespec until;

	if (!j->first) {
		pthread_cond_wait(&j->wake, &j->lock);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += FORGET_MS / 1000;
	pthread_cond_timedwait(&j->wake, &j->lock, &until);
}

/* The next job to do, or NULL at the end. */
static struct job *jobs_take(struct jobs *j)
{
	struct job *job;

	pthread_mutex_lock(&j->lock);
	/* Woken by jobs_start() and jobs_stop(), and to forget results. */
	while (!(job = next_waiting(j)) && !j->is_ending) {
		jobs_wait_locked(j);
		jobs_expire_locked(j, FORGET_MS);
	}
	if (job)
		job->state = MAPFS_JOB_RUNS;
	pthread_mutex_unlock(&j->lock);
	return job;
}

static void *jobs_run(void *arg)
{
	struct jobs *j = arg;
	struct job *job;

	while ((job = jobs_take(j)) != NULL) {
		int err = -ECANCELED;

		if (job_is_wanted(job))
			err = commands_run(j->m, job);

		if (!err)
			err = job->result.err;
		job->err = err;
		if (err)
			wire_out_fini(&job->result);
		pthread_mutex_lock(&j->lock);
		job->state = err ? MAPFS_JOB_FAILED : MAPFS_JOB_DONE;
		job->seen_ms = now_ms();
		pthread_mutex_unlock(&j->lock);
	}
	return NULL;
}

int jobs_create(struct jobs **out, struct mount *m)
{
	struct jobs *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return -ENOMEM;
	j->m = m;
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->wake, NULL);
	err = pthread_create(&j->thread, NULL, jobs_run, j);
	if (err) {
		pthread_cond_destroy(&j->wake);
		pthread_mutex_destroy(&j->lock);
		free(j);
		return -err;
	}
	*out = j;
	return 0;
}

static int jobs_add_locked(struct jobs *j, struct job *job)
{
	struct job **at = &j->first;

	jobs_expire_locked(j, FORGET_MS);
	if (j->is_ending)
		return -ESHUTDOWN;
	if (j->count >= JOBS_MOST)
		jobs_expire_locked(j, FORGET_FULL_MS);
	if (j->count >= JOBS_MOST)
		return -EBUSY;
	while (*at)
		at = &(*at)->next;
	*at = job;
	j->count++;
	job->ask.job = ++j->last_id;
	job->seen_ms = now_ms();
	pthread_cond_signal(&j->wake);
	return 0;
}

int jobs_start(struct jobs *j, struct mapfs_control_start *ask)
{
	struct job *job = calloc(1, sizeof(*job));
	int err;

	if (!job)
		return -ENOMEM;
	job->ask = *ask;
	barrier_take(j->m, ask->since, &job->barrier);
	pthread_mutex_lock(&j->lock);
	err = jobs_add_locked(j, job);
	if (!err)
		ask->job = job->ask.job;
	pthread_mutex_unlock(&j->lock);
	if (err)
		job_free(job);
	return err;
}

/* Where the job hangs, or NULL; lock held. */
static struct job **jobs_find_locked(struct jobs *j, uint64_t id)
{
	struct job **at = &j->first;

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
	if (!is_over(job))
		return;
	out->err = job->err;
	out->result_bytes = job->result.len;
	/* The wire has room for less. */
	memcpy(out->why, job->why.text, sizeof(out->why));
	out->why[sizeof(out->why) - 1] = '\0';
}

int jobs_poll(struct jobs *j, struct mapfs_control_poll *poll)
{
	struct job **at;
	int err = -ENOENT;

	pthread_mutex_lock(&j->lock);
	jobs_expire_locked(j, FORGET_MS);
	at = jobs_find_locked(j, poll->job);
	if (at) {
		err = 0;
		(*at)->seen_ms = now_ms();
		poll_fill(j->m, *at, poll);
		if (is_over(*at) && poll->result_bytes == 0)
			job_drop_locked(j, at);
	}
	pthread_mutex_unlock(&j->lock);
	return err;
}

static void read_fill(struct job *job, struct mapfs_control_read *out)
{
	size_t left = job->result.len - (size_t)out->off;

	out->bytes = sizeof(*out);
	out->len = left < CONTROL_READ_BYTES ? (uint32_t)left :
					       CONTROL_READ_BYTES;
	memset(out->chunk, 0, sizeof(out->chunk));
	memcpy(out->chunk, job->result.mem + out->off, out->len);
}

int jobs_read(struct jobs *j, struct mapfs_control_read *read)
{
	struct job **at;
	int err = 0;

	pthread_mutex_lock(&j->lock);
	at = jobs_find_locked(j, read->job);
	if (!at)
		err = -ENOENT;
	else if ((*at)->state != MAPFS_JOB_DONE)
		err = -EAGAIN;
	else if (read->off >= (*at)->result.len)
		err = -EINVAL;
	if (!err) {
		(*at)->seen_ms = now_ms();
		read_fill(*at, read);
		if (read->off + read->len == (*at)->result.len)
			job_drop_locked(j, at);
	}
	pthread_mutex_unlock(&j->lock);
	return err;
}

int jobs_stop(struct jobs *j)
{
	struct timespec until;
	int err;

	pthread_mutex_lock(&j->lock);
	j->is_ending = true;
	for (struct job *job = j->first; job; job = job->next)
		atomic_store(&job->is_unwanted, true);
	pthread_cond_signal(&j->wake);
	pthread_mutex_unlock(&j->lock);
	if (j->is_joined)
		return 0;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_SECONDS;
	err = -pthread_timedjoin_np(j->thread, NULL, &until);
	j->is_joined = !err;
	return err;
}

void jobs_destroy(struct jobs *j)
{
	if (!j)
		return;
	assert(j->is_joined);
	while (j->first)
		job_drop_locked(j, &j->first);
	pthread_cond_destroy(&j->wake);
	pthread_mutex_destroy(&j->lock);
	free(j);
}

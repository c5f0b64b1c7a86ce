/* SPDX-License-Identifier: MIT */
/*
 * A client that waits for a job sends POLL several times a second.  If it has
 * sent none for ten seconds, it has died or was interrupted.
 */
#include "job.h"

#include <errno.h>
#include <stdlib.h>

#include "core/lib/timespec.h"

#define UNWANTED_MS 10000

int job_create(struct job **out, const struct mapfs_control_start *ask)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	job->ask = *ask;
	job_touch(job);
	*out = job;
	return 0;
}

void job_destroy(struct job *job)
{
	if (!job)
		return;
	wire_out_fini(&job->result);
	free(job);
}

bool job_is_over(const struct job *job)
{
	return job->state == MAPFS_JOB_DONE || job->state == MAPFS_JOB_FAILED;
}

void job_touch(struct job *job)
{
	atomic_store(&job->seen_ms, timespec_monotonic_ms());
}

int64_t job_unseen_ms(const struct job *job)
{
	return timespec_monotonic_ms() - atomic_load(&job->seen_ms);
}

bool job_is_wanted(const struct job *job)
{
	return !atomic_load(&job->is_unwanted) &&
	       job_unseen_ms(job) <= UNWANTED_MS;
}

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
#define PART_BYTES (128U << 10)

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

/* Takes the part that is ready; false: there is none. */
static bool take_ready(struct job *job, struct wire_out *out)
{
	struct wire_out *part = atomic_exchange(&job->ready, NULL);

	if (!part)
		return false;
	*out = *part;
	free(part);
	return true;
}

static void drop_ready(struct job *job)
{
	struct wire_out part;

	if (take_ready(job, &part))
		wire_out_fini(&part);
}

void job_destroy(struct job *job)
{
	if (!job)
		return;
	drop_ready(job);
	wire_out_fini(&job->reading);
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

/*
 * One part is ready, and the next one grows until that was taken: a client that
 * reads as fast as it can leaves two small parts here, and one that does not
 * stops nobody.
 */
void job_offer(struct job *job)
{
	struct wire_out *part;

	if (job->result.err || job->result.len < PART_BYTES ||
	    atomic_load(&job->ready))
		return;
	part = malloc(sizeof(*part));
	if (!part)
		return;
	*part = job->result;
	job->result = (struct wire_out){ 0 };
	job->parted_bytes += part->len;
	atomic_store(&job->ready, part);
}

int job_find_part(struct job *job, uint64_t off)
{
	const uint64_t end = job->reading_off + job->reading.len;

	if (off < job->reading_off || off > end)
		return -EINVAL;
	if (off < end)
		return 0;
	wire_out_fini(&job->reading);
	job->reading_off = off;
	if (take_ready(job, &job->reading))
		return 0;
	if (job->state != MAPFS_JOB_DONE)
		return -EAGAIN;
	job->reading = job->result;
	job->result = (struct wire_out){ 0 };
	return job->reading.len > 0 ? 0 : -EINVAL;
}

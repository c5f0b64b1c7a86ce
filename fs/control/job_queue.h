/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_JOB_QUEUE_H
#define MAPFS_FS_CONTROL_JOB_QUEUE_H

/*
 * The jobs of a mount, run one after the other by a thread of their own: a job
 * may need the worker threads, so none of them may wait for it.
 *
 * Lifetime: job_queue_create() starts the thread.  job_queue_stop() ends it,
 *           and must be called while the session still serves requests: only
 *           then is it certain that work which waits for the kernel ends.
 *           Later requests are refused.  job_queue_destroy() accepts NULL.
 *           The queue owns its jobs.  The number of a job is valid until its
 *           result was read to the end, or no client asked for the job for a
 *           minute; two seconds, if the queue is full.
 * Errors:   0 or a negative errno.  -ENOENT: the number is not valid, or no
 *           more; -EBUSY: the queue is full; -ESHUTDOWN: the mount ends.
 * Locking:  takes RANK_FS for moments, never while a command runs.
 */
#include "core/mapfs.h"
#include "protocol.h"

struct job_queue;
struct mount;

int must_check job_queue_create(struct job_queue **out, struct mount *m);
/* By the thread that serves the request; sets ask->job. */
int must_check job_queue_start(struct job_queue *q,
			       struct mapfs_control_start *ask);
int must_check job_queue_poll(struct job_queue *q,
			      struct mapfs_control_poll *poll);
/* -EAGAIN: not yet; -EINVAL: the result ends before `off`, or that was read. */
int must_check job_queue_read(struct job_queue *q,
			      struct mapfs_control_read *read);
/*
 * -ETIMEDOUT: the thread does not end.  The queue must then not be destroyed.
 * May be called again.
 */
int must_check job_queue_stop(struct job_queue *q);
void job_queue_destroy(struct job_queue *q);

#endif

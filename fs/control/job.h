/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_JOB_H
#define MAPFS_FS_CONTROL_JOB_H

/*
 * One command that a program has started by ioctl: what it asked for, how far
 * the work is, and the result.  job_queue.h says when it runs.
 *
 * Lifetime: job_create() gives the only reference, and job_destroy() ends it.
 * Errors:   0 or a negative errno.
 * Locking:  each field names its guard.
 */
#include <stdatomic.h>

#include "fs/request/barrier.h"
#include "protocol.h"
#include "wire.h"

struct job {
	struct job *next;		/* by job_queue.lock */
	struct mapfs_control_start ask; /* fixed once it is in the queue */
	struct barrier barrier;		/* fixed once it is in the queue */
	enum mapfs_job_state state;	/* by job_queue.lock */
	_Atomic int64_t seen_ms;	/* the last START, POLL or READ */
	struct wire_out result;		/* by the queue's thread until DONE */
	int err;			/* likewise */
	struct reason why;		/* likewise */
	_Atomic uint64_t done;		/* progress */
	atomic_bool is_unwanted;	/* the mount ends */
};

int must_check job_create(struct job **out,
			  const struct mapfs_control_start *ask);
void job_destroy(struct job *job);
/* DONE or FAILED; the caller holds job_queue.lock. */
bool job_is_over(const struct job *job);
/* A client asks for the job, now. */
void job_touch(struct job *job);
/* How long no client has asked for it. */
int64_t job_unseen_ms(const struct job *job);
/*
 * False: no client waits for the job, or the mount ends.  The work then stops
 * at the next safe point, with -ECANCELED.
 */
bool job_is_wanted(const struct job *job);

#endif

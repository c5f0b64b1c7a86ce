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
	struct job *next;		  /* by job_queue.lock */
	struct mapfs_control_start ask;	  /* fixed once it is in the queue */
	struct barrier barrier;		  /* fixed once it is in the queue */
	enum mapfs_job_state state;	  /* by job_queue.lock */
	_Atomic int64_t seen_ms;	  /* the last START, POLL or READ */
	struct wire_out result;		  /* by the queue's thread until DONE;
					   then by job_queue.lock */
	_Atomic(struct wire_out *) ready; /* a part of it that is complete */
	uint64_t parted_bytes;		  /* by the queue's thread: of the parts
					   before `result` */
	uint64_t result_bytes;		  /* of all; fixed once it is DONE */
	struct wire_out reading;	  /* by job_queue.lock: the part that is
					   read */
	uint64_t reading_off; /* by job_queue.lock: where it begins */
	uint64_t read_bytes;  /* by job_queue.lock: how far the client
					   is */
	bool is_told; /* by job_queue.lock: the client knows result_bytes */
	int err;      /* by the queue's thread until DONE */
	struct reason why;	 /* likewise */
	_Atomic uint64_t done;	 /* progress */
	atomic_bool is_unwanted; /* the mount ends */
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
 * By the command that makes the result, between two records: what there is of it
 * may be read while the command runs, and its memory ends when it was.
 */
void job_offer(struct job *job);
/*
 * Makes `reading` the part of the result with this byte, after the one that was
 * read to its end.  -EAGAIN: it is not there yet; -EINVAL: it never will be, or
 * is not there any more.  The caller holds job_queue.lock.
 */
int must_check job_find_part(struct job *job, uint64_t off);
/*
 * False: no client waits for the job, or the mount ends.  The work then stops
 * at the next safe point, with -ECANCELED.
 */
bool job_is_wanted(const struct job *job);

#endif

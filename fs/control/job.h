/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_JOB_H
#define MAPFS_FS_CONTROL_JOB_H

/*
 * Work that somebody asked for by ioctl, done one after the other by a thread
 * of its own: it may need the session's threads, which must not wait for it.
 *
 * Lifetime: jobs_create() starts the thread.  jobs_stop() ends it while the
 *           session still runs, because work that waits for the kernel only
 *           then is sure to end; later requests are refused.
 *           jobs_destroy() accepts NULL.  A job belongs to the jobs; its
 *           number is good until the result was read or nobody asked for it
 *           for a minute; for two seconds, when the place is needed.
 * Errors:   0 or a negative errno.  -ENOENT: no such job (any more);
 *           -EBUSY: too many wait; -ESHUTDOWN: the mount ends.
 * Locking:  one mutex, held for moments and not while a command is at work.
 */
#include <stdatomic.h>

#include "fs/request/barrier.h"
#include "fs/control/protocol.h"
#include "wire.h"

struct jobs;
struct mount;

struct job {
	struct job *next;		/* by jobs.lock */
	struct mapfs_control_start ask; /* fixed at birth */
	struct barrier barrier;		/* fixed at birth */
	enum mapfs_job_state state;	/* by jobs.lock */
	_Atomic int64_t seen_ms;	/* last POLL or READ */
	struct wire_out result;		/* the thread's until DONE */
	int err;			/* likewise */
	struct reason why;		/* likewise */
	_Atomic uint64_t done;		/* progress */
	atomic_bool is_unwanted;	/* the mount ends */
};

int must_check jobs_create(struct jobs **out, struct mount *m);
/* From the thread of the request; fills in ask->job. */
int must_check jobs_start(struct jobs *j, struct mapfs_control_start *ask);
int must_check jobs_poll(struct jobs *j, struct mapfs_control_poll *poll);
int must_check jobs_read(struct jobs *j, struct mapfs_control_read *read);
/* -ETIMEDOUT: the thread is stuck, and the memory not to be freed. */
int must_check jobs_stop(struct jobs *j);
void jobs_destroy(struct jobs *j);
/* False: stop at the next safe place with -ECANCELED. */
bool job_is_wanted(const struct job *job);

#endif

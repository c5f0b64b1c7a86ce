/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CACHE_SEEK_H
#define MAPFS_FS_CACHE_SEEK_H

/*
 * SEEK_DATA and SEEK_HOLE where the kernel may hold dirty pages that the view
 * has not received.  A thread of its own answers them: the kernel must write
 * those pages back first, and the worker threads must be free to receive them.
 *
 * Lifetime: seek_queue_create() starts the thread.  seek_queue_stop() ends it,
 *           and must be called while the session still serves requests: only
 *           then is it certain that the kernel answers the thread.  A request
 *           added later is left to the kernel.  seek_queue_destroy() accepts
 *           NULL.
 * Errors:   0 or a negative errno.
 * Locking:  takes RANK_FS for moments, never during a reply; any thread may
 *           add a request.
 */
#include <fuse_lowlevel.h>

#include "core/mapfs.h"

struct mount;
struct seek_queue;

/* LSEEK of `node`, whose handle is `fh`, or 0. */
struct seek_request {
	fuse_req_t req;
	fuse_ino_t node;
	uint64_t fh;
	uint64_t off;
	int whence; /* SEEK_DATA or SEEK_HOLE */
};

/* The mount must have its session. */
int must_check seek_queue_create(struct seek_queue **out, struct mount *m);
/*
 * -ETIMEDOUT: the thread waits for the kernel.  The queue must then not be
 * destroyed.  May be called again.
 */
int must_check seek_queue_stop(struct seek_queue *q);
void seek_queue_destroy(struct seek_queue *q);
/* Copies `ask`, and answers it later. */
void seek_queue_add(struct seek_queue *q, const struct seek_request *ask);

#endif

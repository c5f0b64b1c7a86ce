/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CACHE_SEEK_H
#define MAPFS_FS_CACHE_SEEK_H

/*
 * Answers that first need the kernel to write back its dirty pages: a
 * thread of its own, because the kernel waits for session threads to take
 * those pages.
 *
 * Lifetime: seek_queue_create() starts the thread; seek_queue_stop() ends it while
 *           the session still runs: only then is the kernel sure to let go of
 *           it; later requests are left to the kernel.
 *           seek_queue_destroy() accepts NULL.
 * Errors:   0 or a negative errno.
 * Locking:  takes one mutex for moments; none is held while answering.
 */
#include <fuse_lowlevel.h>

#include "core/mapfs.h"

struct mount;
struct seek_queue;

/* `m` must have its session. */
int must_check seek_queue_create(struct seek_queue **out, struct mount *m);
/* -ETIMEDOUT: the thread is stuck in the kernel, and the memory not freed. */
int must_check seek_queue_stop(struct seek_queue *q);
void seek_queue_destroy(struct seek_queue *q);
/* Answers LSEEK with SEEK_DATA or SEEK_HOLE, some time later. */
void seek_queue_add(struct seek_queue *q, fuse_req_t req, fuse_ino_t node,
		    uint64_t fh, uint64_t off, int whence);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CACHE_SEEK_H
#define MAPFS_FS_CACHE_SEEK_H

/*
 * Answers that first need the kernel to write back its dirty pages: a
 * thread of its own, because the kernel waits for session threads to take
 * those pages.
 *
 * Lifetime: notify_create() starts the thread.  notify_stop() ends it while
 *           the session still runs: only then is the kernel sure to let go of
 *           it; later requests are left to the kernel.
 *           notify_destroy() accepts NULL.
 * Errors:   0 or a negative errno.
 * Locking:  takes one mutex for moments; none is held while answering.
 */
#include <fuse_lowlevel.h>

#include "core/mapfs.h"

struct mount;
struct notify;

/* `m` must have its session. */
int must_check notify_create(struct notify **out, struct mount *m);
/* -ETIMEDOUT: the thread is stuck in the kernel, and the memory not freed. */
int must_check notify_stop(struct notify *n);
void notify_destroy(struct notify *n);
/* Answers LSEEK with SEEK_DATA or SEEK_HOLE, some time later. */
void notify_seek(struct notify *n, fuse_req_t req, fuse_ino_t node, uint64_t fh,
		 uint64_t off, int whence);

#endif

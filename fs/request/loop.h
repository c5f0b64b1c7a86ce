/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_REQUEST_LOOP_H
#define MAPFS_FS_REQUEST_LOOP_H

/*
 * The worker threads, which receive requests from /dev/fuse and serve them.
 * The loop works as libfuse's own, but answers a question that libfuse's
 * cannot: are all requests finished that were received before this one?
 *
 *   loop_mark()    records which requests the other threads hold; called by
 *                  the thread that serves a request
 *   loop_wait()    returns when those requests are finished; called by a
 *                  thread that is no worker
 *
 * The kernel gives out requests in the order in which they were sent, so when
 * loop_wait() returns, all requests sent before the marked one are finished.
 *
 * Lifetime: loop_create() borrows the session.  loop_run() returns when the
 *           session has ended and no thread serves a request.  loop_destroy()
 *           follows the last loop_wait(), and accepts NULL.
 * Errors:   0 or a negative errno.
 * Locking:  takes RANK_FS for moments, never while a request is served.
 */
#include <fuse_lowlevel.h>
#include <stdint.h>

#include "core/mapfs.h"

#define LOOP_THREADS 64 /* at most */

struct loop;

/* The turn that each of `count` threads must reach. */
struct loop_mark {
	unsigned int count;
	uint64_t until[LOOP_THREADS];
};

int must_check loop_create(struct loop **out, struct fuse_session *se,
			   unsigned int max_threads);
/* Serves until the session is unmounted or told to exit. */
int must_check loop_run(struct loop *l);
/* Makes loop_run() return; may be called by any thread. */
void loop_stop(struct loop *l);
void loop_mark(struct loop *l, struct loop_mark *out);
void loop_wait(struct loop *l, const struct loop_mark *mark);
void loop_destroy(struct loop *l);

#endif

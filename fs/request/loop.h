/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_REQUEST_LOOP_H
#define MAPFS_FS_REQUEST_LOOP_H

/*
 * The threads that take requests from /dev/fuse and serve them; as libfuse's
 * own loop, but for one question that it cannot answer: is everything done
 * that had been taken before this request?
 *
 *   loop_mark()    by the request's own thread: what the others have taken
 *   loop_wait()    by a thread that serves nothing: until that is done
 *
 * The kernel hands out requests in the order in which they came, so what was
 * sent before a request is done when loop_wait() for its mark returns.
 *
 * Lifetime: loop_create() borrows the session; loop_run() returns when it has
 *           ended and no thread serves any more; loop_destroy() accepts NULL
 *           and comes after the last loop_wait().
 * Errors:   0 or a negative errno.
 * Locking:  one mutex, held for moments and never across a request.
 */
#include <fuse_lowlevel.h>
#include <stdint.h>

#include "core/mapfs.h"

#define LOOP_THREADS 64 /* the most */

struct loop;

struct loop_mark {
	unsigned int count;
	uint64_t until[LOOP_THREADS];
};

int must_check loop_create(struct loop **out, struct fuse_session *se,
			   unsigned int max_threads);
/* Serves until the session is unmounted or told to exit. */
int must_check loop_run(struct loop *l);
/* Makes loop_run() return, from any thread. */
void loop_stop(struct loop *l);
void loop_mark(struct loop *l, struct loop_mark *out);
void loop_wait(struct loop *l, const struct loop_mark *mark);
void loop_destroy(struct loop *l);

#endif

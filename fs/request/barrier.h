/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_REQUEST_BARRIER_H
#define MAPFS_FS_REQUEST_BARRIER_H

/*
 * Waiting until everything that programs wrote before a moment has arrived in
 * the view.  syncfs(2) alone does not ensure that: it does not wait for the
 * answers of a FUSE daemon.
 *
 *   moment = barrier_moment()     before syncfs(2)
 *   barrier_take(moment)          by the thread that serves a request which
 *                                 was sent after syncfs(2)
 *   barrier_wait()                by a thread that is no worker
 *
 * Lifetime: plain values, valid while the session runs.
 * Errors:   0 or a negative errno.
 * Locking:  the caller holds no lock.
 */
#include "loop.h"

struct mount;

struct barrier {
	struct loop_mark mark;
	bool may_be_late; /* the kernel may not have sent all of it */
};

/* The largest max_background that libfuse can request. */
#define BARRIER_BACKGROUND 65535

uint64_t barrier_moment(struct mount *m);
void barrier_take(struct mount *m, uint64_t moment, struct barrier *out);
int must_check barrier_wait(struct mount *m, const struct barrier *b);
/*
 * Without a mark, by a thread that is no worker: makes the kernel write back
 * all dirty pages and drop its caches of all files.
 */
int must_check barrier_flush(struct mount *m);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_REQUEST_BARRIER_H
#define MAPFS_FS_REQUEST_BARRIER_H

/*
 * Knowing that everything the kernel had sent has arrived in the view: what
 * syncfs(2), which does not wait for a FUSE daemon, leaves open.
 *
 *   moment = barrier_moment()     before syncfs
 *   barrier_take(moment)          by the thread of a request sent after it
 *   barrier_wait()                by a thread that serves nothing
 *
 * Lifetime: plain values, of use while the session runs.
 * Errors:   0 or a negative errno.
 * Locking:  none held.
 */
#include "loop.h"

struct mount;

struct barrier {
	struct loop_mark mark;
	bool may_be_late; /* the kernel may have kept some back */
};

/* As `max_background`: as much as libfuse can ask for. */
#define BARRIER_BACKGROUND 65535

uint64_t barrier_moment(struct mount *m);
void barrier_take(struct mount *m, uint64_t moment, struct barrier *out);
int must_check barrier_wait(struct mount *m, const struct barrier *b);
/*
 * For a thread that no request leads to: everything the kernel holds is
 * written back, and its caches are empty afterwards.
 */
int must_check barrier_flush(struct mount *m);

#endif

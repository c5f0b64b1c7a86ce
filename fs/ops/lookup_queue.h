/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_OPS_LOOKUP_QUEUE_H
#define MAPFS_FS_OPS_LOOKUP_QUEUE_H

/*
 * LOOKUPs of "." and ".." that need a walk over the whole base: the kernel was
 * given a file handle, by open_by_handle_at(2) or an NFS server, of an inode
 * that it has forgotten.  One thread serves them and nothing else, so that a
 * walk delays no other request.
 *
 * Lifetime: lookup_queue_create(); lookup_queue_stop() once no more requests
 *           arrive; lookup_queue_destroy(), which accepts NULL.  The first
 *           request starts the thread.
 * Errors:   0 or a negative errno.
 * Locking:  takes RANK_FS for moments; any thread may add a request.
 */
#include <fuse_lowlevel.h>

#include "core/lib/types.h"

struct lookup_queue;
struct mount;

int must_check lookup_queue_create(struct lookup_queue **out, struct mount *m);
/* Ends a walk that is under way; returns when every request is answered. */
void lookup_queue_stop(struct lookup_queue *q);
void lookup_queue_destroy(struct lookup_queue *q);
/* Answers LOOKUP of `name`, "." or "..", of the inode, now or later. */
void lookup_queue_add(struct lookup_queue *q, fuse_req_t req, mapfs_ino ino,
		      const char *name);

#endif

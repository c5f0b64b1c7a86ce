/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_REQUEST_REPLY_H
#define MAPFS_FS_REQUEST_REPLY_H

/*
 * Answers: the one place where an errno changes its sign, and where a count
 * that the kernel never learned of is undone.
 *
 * Lifetime: each call ends the request.
 * Errors:   `err` is 0 or a negative errno.
 * Locking:  the caller holds no lock; FORGET may arrive before a call
 *           returns.
 */
#include <fuse_lowlevel.h>

#include "core/mapfs.h"

struct mount;

/* libfuse answers a ring's requests only from the ring's own thread. */
bool reply_is_ring(fuse_req_t req);
void reply_err(fuse_req_t req, int err);
/* `e` when err is 0. */
void reply_entry(struct mount *m, fuse_req_t req, int err,
		 const struct mapfs_entry *e);
/* No such name, and the kernel may remember that. */
void reply_no_entry(struct mount *m, fuse_req_t req);
void reply_created(struct mount *m, fuse_req_t req, const struct mapfs_entry *e,
		   const struct fuse_file_info *fi);
void reply_opened(struct mount *m, fuse_req_t req,
		  const struct fuse_file_info *fi);
void reply_attr(struct mount *m, fuse_req_t req, int err,
		const struct mapfs_attr *attr);
/* n: a count of bytes of `buf`, or a negative errno. */
void reply_bytes(fuse_req_t req, const char *buf, ssize_t n);
/* n: bytes written, or a negative errno. */
void reply_written(fuse_req_t req, ssize_t n);
/* n: a size that was asked for, or a negative errno. */
void reply_size(fuse_req_t req, ssize_t n);

#endif

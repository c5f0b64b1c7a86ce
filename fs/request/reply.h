/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_REQUEST_REPLY_H
#define MAPFS_FS_REQUEST_REPLY_H

/*
 * Replies to the kernel.  Nothing else in fs/ calls fuse_reply_*: this is the
 * one place where an errno changes its sign, and where a lookup count is taken
 * back if the kernel did not receive it.
 *
 * Lifetime: each call ends the request, except reply_is_ring().
 * Errors:   `err` is 0 or a negative errno; with an errno the other arguments
 *           are not read.
 * Locking:  the caller holds no lock, which is asserted: FORGET may arrive
 *           before a call returns.
 */
#include <fuse_lowlevel.h>

#include "core/mapfs.h"

struct mount;

/*
 * Whether the request came through io_uring.  libfuse can answer such a
 * request only from the thread that received it.
 */
bool reply_is_ring(fuse_req_t req);
void reply_err(fuse_req_t req, int err);
/* To FORGET, which has no answer. */
void reply_none(fuse_req_t req);
void reply_entry(struct mount *m, fuse_req_t req, int err,
		 const struct mapfs_entry *e);
/* The name does not exist, and the kernel may cache that. */
void reply_no_entry(struct mount *m, fuse_req_t req);
void reply_created(struct mount *m, fuse_req_t req, const struct mapfs_entry *e,
		   const struct fuse_file_info *fi);
void reply_opened(struct mount *m, fuse_req_t req,
		  const struct fuse_file_info *fi);
void reply_attr(struct mount *m, fuse_req_t req, int err,
		const struct mapfs_attr *attr);
/* The kernel caches `st` for `timeout` seconds. */
void reply_stat(fuse_req_t req, const struct stat *st, double timeout);
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
void reply_statx(struct mount *m, fuse_req_t req, struct statx *stx);
#endif
void reply_statfs(fuse_req_t req, int err, const struct statvfs *st);
/* `n` bytes of `buf`; or a negative errno in `n`. */
void reply_bytes(fuse_req_t req, const char *buf, ssize_t n);
/* The entries of a directory; false: the kernel did not receive them. */
bool reply_entries(fuse_req_t req, const char *buf, size_t bytes);
/* `n` bytes were written; or a negative errno in `n`. */
void reply_written(fuse_req_t req, ssize_t n);
/* The size of an attribute is `n` bytes; or a negative errno in `n`. */
void reply_size(fuse_req_t req, ssize_t n);
void reply_lseek(fuse_req_t req, int err, uint64_t off);
void reply_ioctl(fuse_req_t req, int err, const void *out, size_t bytes);

#endif

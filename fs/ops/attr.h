/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_OPS_ATTR_H
#define MAPFS_FS_OPS_ATTR_H

/*
 * Operations on attributes: GETATTR, SETATTR and STATX of one object, STATFS of
 * the file system.  Each translates the request, calls the core and replies
 * once.  libfuse's struct fuse_lowlevel_ops says what it must do and why its
 * parameters are these.
 *
 * Lifetime: all arguments are borrowed; a request ends with its reply.
 * Errors:   an errno is the answer to the request.
 * Locking:  called by any worker thread; no lock is held during a reply.
 */
#include <fuse_lowlevel.h>

void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t node, struct stat *st, int valid,
		struct fuse_file_info *fi);
void op_statx(fuse_req_t req, fuse_ino_t node, int flags, int mask,
	      struct fuse_file_info *fi);
void op_statfs(fuse_req_t req, fuse_ino_t node);

#endif

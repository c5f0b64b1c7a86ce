/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_OPS_XATTR_H
#define MAPFS_FS_OPS_XATTR_H

/*
 * Operations on extended attributes.  Each translates the request, calls the
 * core and replies once.  libfuse's struct fuse_lowlevel_ops says what it must
 * do and why its parameters are these.
 *
 * Lifetime: all arguments are borrowed; a request ends with its reply.
 * Errors:   an errno is the answer to the request.
 * Locking:  called by any worker thread; no lock is held during a reply.
 */
#include <fuse_lowlevel.h>

void op_getxattr(fuse_req_t req, fuse_ino_t node, const char *name,
		 size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t node, size_t size);
void op_setxattr(fuse_req_t req, fuse_ino_t node, const char *name,
		 const char *value, size_t size, int flags);
void op_removexattr(fuse_req_t req, fuse_ino_t node, const char *name);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_OPS_DIR_H
#define MAPFS_FS_OPS_DIR_H

/*
 * Operations on open directories and their entries.  Each translates the
 * request, calls the core and replies once.  libfuse's struct
 * fuse_lowlevel_ops says what it must do and why its parameters are these.
 *
 * Lifetime: all arguments are borrowed; a request ends with its reply.
 * Errors:   an errno is the answer to the request.
 * Locking:  called by any worker thread; no lock is held during a reply.
 */
#include <fuse_lowlevel.h>

void op_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		    struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t node, int datasync,
		 struct fuse_file_info *fi);

#endif

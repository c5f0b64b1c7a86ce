/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_OPS_FILE_H
#define MAPFS_FS_OPS_FILE_H

/*
 * Operations on open files and their data.  Each translates the request, calls
 * the core and replies once.  libfuse's struct fuse_lowlevel_ops says what it
 * must do and why its parameters are these.
 *
 * Lifetime: all arguments are borrowed; a request ends with its reply.
 * Errors:   an errno is the answer to the request.
 * Locking:  called by any worker thread; no lock is held during a reply.
 */
#include <fuse_lowlevel.h>

void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void op_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode,
		struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
	     struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t node, const char *buf, size_t size,
	      off_t off, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t node, int datasync,
	      struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t off,
		  off_t len, struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t node, off_t off, int whence,
	      struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t in_off,
			struct fuse_file_info *in_fi, fuse_ino_t out,
			off_t out_off, struct fuse_file_info *out_fi,
			size_t len, int flags);

#endif

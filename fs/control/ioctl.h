/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_IOCTL_H
#define MAPFS_FS_CONTROL_IOCTL_H

/*
 * Operation IOCTL: the control protocol (protocol.h) on the root of the mount,
 * and inode flags (fileattr.h) on any file.  Every other ioctl is answered with
 * ENOTTY.
 *
 * Lifetime: all arguments are borrowed; a request ends with its reply.
 * Errors:   an errno is the answer to the request.
 * Locking:  called by the worker thread of the request, which holds no lock.
 */
#include <fuse_lowlevel.h>

void op_ioctl(fuse_req_t req, fuse_ino_t node, unsigned int cmd, void *arg,
	      struct fuse_file_info *fi, unsigned int flags, const void *in,
	      size_t in_bytes, size_t out_bytes);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_IOCTL_H
#define MAPFS_FS_CONTROL_IOCTL_H

/*
 * The ioctls of fs/control/protocol.h on a mount's root, and those of inode
 * flags on any file; all others are answered with ENOTTY.
 *
 * Locking: called by the request's own thread, which holds none.
 */
#include <fuse_lowlevel.h>

void op_ioctl(fuse_req_t req, fuse_ino_t node, unsigned int cmd, void *arg,
	      struct fuse_file_info *fi, unsigned int flags, const void *in,
	      size_t in_bytes, size_t out_bytes);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_FILEATTR_H
#define MAPFS_FS_CONTROL_FILEATTR_H

/*
 * The ioctls for inode flags: chattr(1), lsattr(1), ioctl_iflags(2).
 *
 * Lifetime: the buffers of a call are borrowed from the request.
 * Errors:   none; an errno is the answer to the request.
 * Locking:  called by the worker thread of the request, which holds no lock.
 */
#include <fuse_lowlevel.h>
#include <stdbool.h>

#include "core/lib/types.h"

struct mount;

struct fileattr_call {
	mapfs_ino ino;
	uint64_t fh;
	unsigned int cmd;
	bool has_pointer; /* of the program: no kernel has checked the call */
	const void *in;
	size_t in_bytes;
	size_t out_bytes;
};

/* True: the ioctl is one of these, and is answered. */
bool fileattr_ioctl(struct mount *m, fuse_req_t req,
		    const struct fileattr_call *c);

#endif

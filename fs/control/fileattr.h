/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_FILEATTR_H
#define MAPFS_FS_CONTROL_FILEATTR_H

/*
 * The ioctls of inode flags, see ioctl_iflags(2).
 *
 * Lifetime: the call's buffers are borrowed from the request.
 * Errors:   none; every errno is the answer to the request.
 * Locking:  called by the request's own thread, which holds none.
 */
#include <fuse_lowlevel.h>
#include <stdbool.h>

#include "core/lib/types.h"

struct mount;

struct fileattr_call {
	mapfs_ino ino;
	uint64_t fh;
	unsigned int cmd;
	bool has_pointer; /* the caller's own: nobody has judged the call */
	const void *in;
	size_t in_bytes;
	size_t out_bytes;
};

/* Answers if it is one of its ioctls; else false. */
bool fileattr_ioctl(struct mount *m, fuse_req_t req,
		    const struct fileattr_call *c);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_READ_H
#define MAPFS_CORE_BASE_READ_H

/*
 * The content of base objects: data of files, targets of symbolic links.
 *
 * Lifetime: buffers are the caller's.
 * Errors:   0 or a count, or a negative errno, that of base_hold() included.
 * Locking:  as base_hold(); the copy itself happens without a lock.
 */
#include "core/lib/types.h"

struct base;
struct inode;

/* A count, which is short at the end of the file. */
ssize_t must_check base_read(struct base *b, struct inode *i, void *buf,
			     size_t len, uint64_t off);
/* lseek(2) with SEEK_DATA or SEEK_HOLE; -ENXIO as there. */
int must_check base_seek(struct base *b, struct inode *i, uint64_t off,
			 int whence, uint64_t *out);
ssize_t must_check base_readlink(struct base *b, struct inode *i, char *buf,
				 size_t len);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_XATTR_H
#define MAPFS_CORE_BASE_XATTR_H

/*
 * Extended attributes of base objects, symbolic links and unreadable files
 * included.
 *
 * Lifetime: buffers are the caller's.
 * Errors:   sizes as getxattr(2) and listxattr(2), or a negative errno, that
 *           of base_hold() included.
 * Locking:  as base_hold().
 */
#include "core/lib/types.h"

struct base;
struct inode;

ssize_t must_check base_getxattr(struct base *b, struct inode *i,
				 const char *name, void *buf, size_t len);
ssize_t must_check base_listxattr(struct base *b, struct inode *i, char *buf,
				  size_t len);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_REQUEST_NODE_H
#define MAPFS_FS_REQUEST_NODE_H

/*
 * Translation between the kernel's terms and the core's.  The kernel knows an
 * object by its node number.  That is the inode number of the view, except
 * that the kernel demands 1 for the root: 1 and the root's inode number are
 * swapped.  The core keeps the lookup counts.
 *
 * Lifetime: nothing is kept.
 * Errors:   none.
 * Locking:  none.
 */
#include <fuse_lowlevel.h>

#include "core/mapfs.h"

struct mount;

mapfs_ino node_ino(const struct mount *m, fuse_ino_t node);
/* The file that a call of the core is about; fh 0: no handle. */
struct mapfs_file node_file(const struct mount *m, fuse_ino_t node,
			    uint64_t fh);
fuse_ino_t node_of_ino(const struct mount *m, mapfs_ino ino);
/*
 * The number of blocks to report.  In copy mode the kernel may hold data that
 * the view has not received, and caches the number without limit.
 */
uint64_t node_blocks(const struct mount *m, const struct mapfs_attr *attr);
void node_fill_stat(const struct mount *m, const struct mapfs_attr *attr,
		    struct stat *out);
void node_fill_entry(const struct mount *m, const struct mapfs_entry *e,
		     struct fuse_entry_param *out);
/* The user who sent the request, as the owner of a new object. */
struct mapfs_cred node_cred(fuse_req_t req);

#endif

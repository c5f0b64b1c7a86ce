/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_REQUEST_NODE_H
#define MAPFS_FS_REQUEST_NODE_H

/*
 * What the kernel remembers of an object: its node number, which is the
 * view's inode number, except that the kernel insists on 1 for the root; 1
 * and the root's number are swapped.  Counts of lookups live in the core.
 *
 * Lifetime, locking: pure translations; nothing is kept.
 */
#include <fuse_lowlevel.h>

#include "core/mapfs.h"

struct mount;

mapfs_ino node_ino(const struct mount *m, fuse_ino_t node);
/* The node as the core's calls on files want it; fh 0: no handle. */
struct mapfs_file node_file(const struct mount *m, fuse_ino_t node,
			    uint64_t fh);
fuse_ino_t node_of_ino(const struct mount *m, mapfs_ino ino);
/*
 * Blocks to tell the kernel of a copy view: it may have data that the view has
 * not seen, and keeps the number for good.
 */
uint64_t node_blocks(const struct mount *m, const struct mapfs_attr *attr);
void node_fill_stat(const struct mount *m, const struct mapfs_attr *attr,
		    struct stat *out);
void node_fill_entry(const struct mount *m, const struct mapfs_entry *e,
		     struct fuse_entry_param *out);
/* The requester, as the owner of what it makes. */
struct mapfs_cred node_cred(fuse_req_t req);

#endif

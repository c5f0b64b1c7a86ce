/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_INODE_H
#define MAPFS_CORE_DIRECT_INODE_H

/*
 * The floor of read and write mode: the view itself, the inodes of its
 * operations, and descriptors of their objects.
 *
 * Lifetime: the view is made and ended by open.c.  direct_get() gives a hold
 *           that direct_put() ends; a descriptor is borrowed from
 *           direct_fd_get() to direct_fd_put().
 * Errors:   0 or a negative errno; -ESTALE: no such inode any more; of
 *           direct_fd_get() -EBADF: no such handle; -EROFS: the inode is a
 *           foreign directory.
 * Locking:  none is held across a system call on the base.
 */
#include "core/base/base.h"
#include "core/view/view.h"
#include "handle.h"

struct direct {
	struct mapfs_view view;
	struct base *base;	 /* fixed while open */
	struct itable *itable;	 /* fixed while open */
	struct handles *handles; /* fixed while open; has its own lock */
};

static inline struct direct *direct_of(struct mapfs_view *v)
{
	return (struct direct *)v; /* view is the first member */
}

int must_check direct_get(struct direct *d, mapfs_ino ino, struct inode **out);
/*
 * The same for a directory: -ENOTDIR, and -EROFS for a foreign directory in
 * which something is to change.
 */
int must_check direct_dir_get(struct direct *d, mapfs_ino ino, bool change,
			      struct inode **out);
void direct_put(struct direct *d, struct inode *i);

/* A descriptor for the time of one call, of exactly one of three origins. */
struct direct_fd {
	int fd;
	bool is_path; /* it may be an O_PATH descriptor */
	bool appends; /* writes go to the end, whatever offset they name */
	struct base_fd *cached;
	struct open_file *file;
	bool is_owned;
};

/* The handle's descriptor if it allows the use, else one of the inode. */
int must_check direct_fd_get(struct direct *d, struct inode *i, uint64_t fh,
			     enum direct_use use, struct direct_fd *out);
void direct_fd_put(struct direct *d, struct direct_fd *f);

#endif

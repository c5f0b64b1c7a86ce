/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_READ_H
#define MAPFS_CORE_OVERLAY_READ_H

/*
 * Reading the bytes of files and the targets of symbolic links of a copy view.
 *
 * Errors:   as core/mapfs.h.  -EIO: bytes of the base are wanted, and the base
 *           file is no longer the version that the file was changed from.
 * Locking:  overlay_read_pages(): the inode's stripe is held.  The others take
 *           it.
 */
#include "inode.h"

/* Also bytes behind the end of the file, which are zeros. */
int must_check overlay_read_pages(struct overlay *o, struct inode *i, void *buf,
				  size_t len, uint64_t off);
ssize_t overlay_read(struct mapfs_view *v, struct mapfs_file file, void *buf,
		     size_t len, uint64_t off);
int overlay_lseek(struct mapfs_view *v, struct mapfs_file file, uint64_t off,
		  int whence, uint64_t *out);
ssize_t overlay_readlink(struct mapfs_view *v, mapfs_ino ino, char *buf,
			 size_t len);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_DATA_H
#define MAPFS_CORE_DIRECT_DATA_H

/*
 * The content of base files, read and written, and the targets of symbolic
 * links.
 *
 * Lifetime: buffers are the caller's.
 * Errors, locking: as mapfs.h.
 */
#include "core/view/view.h"

ssize_t direct_read(struct mapfs_view *v, struct mapfs_file file, void *buf,
		    size_t len, uint64_t off);
ssize_t direct_write(struct mapfs_view *v, struct mapfs_file file,
		     const struct mapfs_write *write);
int direct_fsync(struct mapfs_view *v, struct mapfs_file file, bool data_only);
int direct_fallocate(struct mapfs_view *v, struct mapfs_file file, int mode,
		     uint64_t off, uint64_t len);
int direct_lseek(struct mapfs_view *v, struct mapfs_file file, uint64_t off,
		 int whence, uint64_t *out);
int direct_pages(struct mapfs_view *v, struct mapfs_file file,
		 const struct mapfs_range *range, mapfs_run_fn fn, void *arg);
ssize_t direct_copy_range(struct mapfs_view *v,
			  const struct mapfs_copy_range *copy);
ssize_t direct_readlink(struct mapfs_view *v, mapfs_ino ino, char *buf,
			size_t len);

#endif

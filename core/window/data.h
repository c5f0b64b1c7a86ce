/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_WINDOW_DATA_H
#define MAPFS_CORE_WINDOW_DATA_H

/*
 * The content of windows: each call is the one of the file, moved by the offset
 * of the window and cut at its end.
 *
 * Lifetime, locking: as core/mapfs.h.
 * Errors:   as core/mapfs.h, and as a block device: a write or an allocation
 *           that begins behind the end of a fixed window is -ENOSPC, one that
 *           crosses it is cut there.
 */
#include "core/view/view.h"

int window_open(struct mapfs_view *v, mapfs_ino ino, int flags, uint64_t *fh,
		bool *changed);
bool window_only_appends(struct mapfs_view *v, uint64_t fh);
bool window_read_counts(struct mapfs_view *v, uint64_t fh);
void window_release(struct mapfs_view *v, uint64_t fh);
ssize_t window_read(struct mapfs_view *v, struct mapfs_file file, void *buf,
		    size_t len, uint64_t off);
ssize_t window_write(struct mapfs_view *v, struct mapfs_file file,
		     const struct mapfs_write *write);
int window_fsync(struct mapfs_view *v, struct mapfs_file file, bool data_only);
int window_fallocate(struct mapfs_view *v, struct mapfs_file file, int mode,
		     uint64_t off, uint64_t len);
int window_lseek(struct mapfs_view *v, struct mapfs_file file, uint64_t off,
		 int whence, uint64_t *out);
int window_pages(struct mapfs_view *v, struct mapfs_file file,
		 const struct mapfs_range *range, mapfs_run_fn fn, void *arg);
ssize_t window_copy_range(struct mapfs_view *v,
			  const struct mapfs_copy_range *copy);

#endif

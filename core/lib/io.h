/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_IO_H
#define MAPFS_CORE_LIB_IO_H

/*
 * Complete reads, writes and syncs: callers never see EINTR or a short count.
 * The only caller of pread, pwrite, fallocate, fsync and fdatasync on files
 * of the store, and so the home of most fault points: each takes its name
 * from `point`.
 *
 * Lifetime: descriptors are borrowed.
 * Errors:   0 or a negative errno.
 * Locking:  none.
 */
#include "types.h"

struct statvfs;

/* All of it, or the reason why not; an early end of file is -EIO. */
int must_check io_pread_all(int fd, void *buf, size_t len, uint64_t off);
/* As much as there is: a short count is the end of the file. */
ssize_t must_check io_pread_some(int fd, void *buf, size_t len, uint64_t off);
int must_check io_pwrite_all(const char *point, int fd, const void *buf,
			     size_t len, uint64_t off);
/* As much as there is room for: an error only if nothing was written. */
ssize_t must_check io_pwrite_some(const char *point, int fd, const void *buf,
				  size_t len, uint64_t off);
int must_check io_fdatasync(const char *point, int fd);
int must_check io_fsync(const char *point, int fd);
/*
 * Space is there before it is touched [D5]; grows the file when needed.
 * -EOPNOTSUPP where the file system cannot promise.
 */
int must_check io_reserve(const char *point, int fd, uint64_t off,
			  uint64_t len);
/* Gives space back, keeps the size; -EOPNOTSUPP is not an error for callers. */
int must_check io_punch(int fd, uint64_t off, uint64_t len);
/*
 * -ENOSPC when taking `len` more bytes would leave the file's file system with
 * less than a sixteenth of itself or 4 MiB, whichever is less.
 */
int must_check io_check_headroom(int fd, uint64_t len);
/* fstatvfs(3), less what pages can certainly not have. */
int must_check io_statvfs_for_pages(int fd, struct statvfs *out);
/* Is it a file of memfd_create(2), of which no file system knows the size? */
bool io_is_memory(int fd);
/* An unlinked file in `dirfd`, or memory of the process for dirfd < 0. */
int must_check io_tmpfile(int dirfd, int *fd);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_IO_H
#define MAPFS_CORE_LIB_IO_H

/*
 * Complete reads, writes and syncs: callers never see EINTR or a short count.
 * The only caller of pwrite, fsync and fdatasync.  Most fault points are here;
 * `point` is the name of the caller's.
 *
 * Lifetime: descriptors are borrowed; one that io_tmpfile() opens is the
 *           caller's.
 * Errors:   0 or a count, or a negative errno.
 * Locking:  none.
 */
#include "types.h"

struct statvfs;

/* All `len` bytes; -EIO if the file ends earlier. */
int must_check io_pread_all(int fd, void *buf, size_t len, uint64_t off);
/* A count; it is short only at the end of the file. */
ssize_t must_check io_pread_some(int fd, void *buf, size_t len, uint64_t off);
int must_check io_pwrite_all(const char *point, int fd, const void *buf,
			     size_t len, uint64_t off);
/* A count; it is short if space ran out.  An error: nothing was written. */
ssize_t must_check io_pwrite_some(const char *point, int fd, const void *buf,
				  size_t len, uint64_t off);
int must_check io_fdatasync(const char *point, int fd);
int must_check io_fsync(const char *point, int fd);
/*
 * Writes dirty pages of the file back and waits, without a flush of the disk.
 * Errors of earlier writes stay for the fsync of whoever wrote them.
 */
int must_check io_write_back(const char *point, int fd);
/*
 * Allocates space before it is touched [D5]; grows the file if needed.
 * -EOPNOTSUPP: the file system cannot allocate in advance.
 */
int must_check io_reserve(const char *point, int fd, uint64_t off,
			  uint64_t len);
/* Gives space back and keeps the size; a caller may ignore -EOPNOTSUPP. */
int must_check io_punch(int fd, uint64_t off, uint64_t len);
/*
 * -ENOSPC when taking `len` more bytes would leave the file's file system with
 * too little: for pages a sixteenth of itself or 4 MiB, whichever is less, and
 * for records half of that.  Others may take the rest at any moment.
 */
enum io_use {
	IO_PAGES,
	IO_RECORDS
};
int must_check io_check_headroom(int fd, uint64_t len, enum io_use use);
/* fstatvfs(3), less the space that pages can certainly not use. */
int must_check io_statvfs_for_pages(int fd, struct statvfs *out);
/* Is it a file of memfd_create(2), on no file system of known size? */
bool io_is_memory(int fd);
/* An unlinked file in `dirfd`, or memory of the process for dirfd < 0. */
int must_check io_tmpfile(int dirfd, int *fd);

#endif

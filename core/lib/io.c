/* SPDX-License-Identifier: MIT */
/*
 * Interrupted calls are repeated and short counts are completed.  Every call
 * that can lose data passes a fault point first, so that tests reach the error
 * paths of all callers.
 */
#include "io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fault.h"

#define TMPFILE_TRIES 16

/* One pread(2), which the fault points of tests shorten or interrupt. */
static ssize_t read_part(int fd, void *buf, size_t len, uint64_t off)
{
	int err = fault_transfer("io.read", &len);
	ssize_t n;

	if (err)
		return err;
	n = pread(fd, buf, len, (off_t)off);
	return n < 0 ? -errno : n;
}

/* The same of pwrite(2). */
static ssize_t write_part(const char *point, int fd, const void *buf,
			  size_t len, uint64_t off)
{
	int err = fault_transfer(point, &len);
	ssize_t n;

	if (err)
		return err;
	n = pwrite(fd, buf, len, (off_t)off);
	return n < 0 ? -errno : n;
}

ssize_t io_pread_some(int fd, void *buf, size_t len, uint64_t off)
{
	char *p = buf;
	size_t done = 0;

	while (done < len) {
		ssize_t n = read_part(fd, p + done, len - done, off + done);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int io_pread_all(int fd, void *buf, size_t len, uint64_t off)
{
	ssize_t n = io_pread_some(fd, buf, len, off);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EIO;
}

int io_pwrite_all(const char *point, int fd, const void *buf, size_t len,
		  uint64_t off)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = write_part(point, fd, p, len, off);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

ssize_t io_pwrite_some(const char *point, int fd, const void *buf, size_t len,
		       uint64_t off)
{
	const char *p = buf;
	size_t done = 0;

	while (done < len) {
		ssize_t n =
			write_part(point, fd, p + done, len - done, off + done);

		if (n == -EINTR)
			continue;
		if (n == 0)
			n = -EIO;
		if (n < 0)
			return done > 0 ? (ssize_t)done : n;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int io_write_back(const char *point, int fd)
{
	int err;

	do {
		err = fault_point(point);
		if (!err && sync_file_range(fd, 0, 0,
					    SYNC_FILE_RANGE_WAIT_BEFORE |
						    SYNC_FILE_RANGE_WRITE |
						    SYNC_FILE_RANGE_WAIT_AFTER))
			err = -errno;
	} while (err == -EINTR);
	return err;
}

int io_fdatasync(const char *point, int fd)
{
	int err;

	do {
		err = fault_point(point);
		if (!err && fdatasync(fd) < 0)
			err = -errno;
	} while (err == -EINTR);
	return err;
}

int io_fsync(const char *point, int fd)
{
	int err;

	do {
		err = fault_point(point);
		if (!err && fsync(fd) < 0)
			err = -errno;
	} while (err == -EINTR);
	return err;
}

/* -EOPNOTSUPP for each errno by which a file system says that. */
static int fallocate_complete(const char *point, int fd, int mode, uint64_t off,
			      uint64_t len)
{
	int err;

	do {
		err = fault_point(point);
		if (!err && fallocate(fd, mode, (off_t)off, (off_t)len) < 0)
			err = errno == ENOSYS ? -EOPNOTSUPP : -errno;
	} while (err == -EINTR);
	return err;
}

int io_reserve(const char *point, int fd, uint64_t off, uint64_t len)
{
	/* Not posix_fallocate(): its emulation writes into the file. */
	return fallocate_complete(point, fd, 0, off, len);
}

int io_punch(int fd, uint64_t off, uint64_t len)
{
	return fallocate_complete("io.punch", fd,
				  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  off, len);
}

/* For file systems without O_TMPFILE: a random name, unlinked at once. */
static int tmpfile_by_name(int dirfd, int *fd)
{
	for (int i = 0; i < TMPFILE_TRIES; i++) {
		uint64_t tag;
		char name[40];
		int f;

		if (getrandom(&tag, sizeof(tag), 0) != (ssize_t)sizeof(tag))
			return -EIO;
		(void)snprintf(name, sizeof(name), ".mapfs-%016llx",
			       (unsigned long long)tag);
		f = openat(dirfd, name,
			   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			   0600);
		if (f < 0 && errno == EEXIST)
			continue;
		if (f < 0)
			return -errno;
		if (unlinkat(dirfd, name, 0) < 0) {
			int err = -errno;

			close(f);
			return err;
		}
		*fd = f;
		return 0;
	}
	return -EEXIST;
}

/* The space that pages leave to records [A2]; 0: its size is not known. */
static uint64_t headroom_of(const struct statvfs *v)
{
	const uint64_t most = 4U << 20;
	const uint64_t part = (uint64_t)v->f_blocks * v->f_frsize / 16;

	return part < most ? part : most;
}

int io_check_headroom(int fd, uint64_t len, enum io_use use)
{
	struct statvfs v;
	uint64_t rest;

	if (fstatvfs(fd, &v) < 0)
		return -errno;
	rest = headroom_of(&v);
	if (use == IO_RECORDS)
		rest /= 2;
	/* Memory, or a file system that reports no size. */
	if (v.f_blocks == 0 || (uint64_t)v.f_bavail * v.f_frsize >= len + rest)
		return 0;
	return -ENOSPC;
}

static fsblkcnt_t less(fsblkcnt_t blocks, uint64_t keep)
{
	return blocks > keep ? blocks - keep : 0;
}

int io_statvfs_for_pages(int fd, struct statvfs *out)
{
	uint64_t keep;

	if (fstatvfs(fd, out) < 0)
		return -errno;
	if (out->f_frsize == 0)
		return 0;
	/* Twice: records and extents take space in the meantime. */
	keep = (2 * headroom_of(out) + out->f_frsize - 1) / out->f_frsize;
	out->f_bfree = less(out->f_bfree, keep);
	out->f_bavail = less(out->f_bavail, keep);
	return 0;
}

bool io_is_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

int io_tmpfile(int dirfd, int *fd)
{
	int err = fault_point("io.tmpfile");
	int f;

	if (err)
		return err;
	if (dirfd < 0)
		f = memfd_create("mapfs", MFD_CLOEXEC);
	else
		f = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	/* Without O_TMPFILE this looks like opening a directory for writing. */
	if (f < 0 && dirfd >= 0 &&
	    (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
		return tmpfile_by_name(dirfd, fd);
	if (f < 0)
		return -errno;
	*fd = f;
	return 0;
}

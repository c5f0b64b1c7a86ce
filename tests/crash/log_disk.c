/* SPDX-License-Identifier: MIT */
/*
 * log_disk IMAGE LOG MOUNTPOINT: a disk that remembers in which order it was
 * written and flushed.
 *
 * MOUNTPOINT shows two files. "disk" has the bytes of IMAGE, for a loop device;
 * each write to it and each flush is appended to LOG. What is written to
 * "notes" goes to LOG only, between the writes and flushes of the disk: so a
 * program notes what was acknowledged, and when.
 *
 * One thread answers one request after the other, so LOG is the order in which
 * the disk answered. It runs in the foreground, and ends with its mount.
 *
 * An entry of LOG is a struct entry, in the byte order of the machine, and
 * `bytes` bytes of data.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fuse.h>

enum entry_kind {
	ENTRY_WRITE = 1,
	ENTRY_FLUSH = 2,
	ENTRY_NOTE = 3
};

struct entry {
	uint32_t kind;
	uint32_t bytes;
	uint64_t offset;
};
_Static_assert(sizeof(struct entry) == 16, "replay.py reads 16 bytes");

static int image_fd;
static int log_fd;

static bool is_disk(const char *path)
{
	return strcmp(path, "/disk") == 0;
}

static bool is_notes(const char *path)
{
	return strcmp(path, "/notes") == 0;
}

/* Half an entry would make the log useless. */
static void append(enum entry_kind kind, const void *data, size_t len,
		   off_t offset)
{
	struct entry e = {
		.kind = kind,
		.bytes = (uint32_t)len,
		.offset = (uint64_t)offset,
	};
	struct iovec parts[2] = {
		{ .iov_base = &e, .iov_len = sizeof(e) },
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = len },
	};

	if (writev(log_fd, parts, 2) != (ssize_t)(sizeof(e) + len)) {
		perror("log_disk: the log");
		abort();
	}
}

static int disk_getattr(const char *path, struct stat *st,
			struct fuse_file_info *fi)
{
	struct stat image;

	if (strcmp(path, "/") == 0) {
		st->st_mode = S_IFDIR | 0700;
		st->st_nlink = 2;
		return 0;
	}
	if (!is_disk(path) && !is_notes(path))
		return -ENOENT;
	st->st_mode = S_IFREG | 0600;
	st->st_nlink = 1;
	if (is_disk(path)) {
		if (fstat(image_fd, &image) < 0)
			return -errno;
		st->st_size = image.st_size;
	}
	return 0;
}

static int disk_open(const char *path, struct fuse_file_info *fi)
{
	if (!is_disk(path) && !is_notes(path))
		return -ENOENT;
	/* A note must be in the log when write(2) returns. */
	fi->direct_io = is_notes(path);
	fi->keep_cache = is_disk(path);
	return 0;
}

static int disk_read(const char *path, char *buf, size_t len, off_t offset,
		     struct fuse_file_info *fi)
{
	ssize_t n = is_disk(path) ? pread(image_fd, buf, len, offset) : 0;

	return n < 0 ? -errno : (int)n;
}

static int disk_write(const char *path, const char *buf, size_t len,
		      off_t offset, struct fuse_file_info *fi)
{
	ssize_t n = (ssize_t)len;

	if (is_disk(path))
		n = pwrite(image_fd, buf, len, offset);
	if (n < 0)
		return -errno;
	append(is_disk(path) ? ENTRY_WRITE : ENTRY_NOTE, buf, (size_t)n,
	       offset);
	return (int)n;
}

/* The loop device asks for this where a file system flushes the disk. */
static int disk_fsync(const char *path, int data_only,
		      struct fuse_file_info *fi)
{
	if (is_disk(path))
		append(ENTRY_FLUSH, NULL, 0, 0);
	return 0;
}

static void *disk_init(struct fuse_conn_info *conn, struct fuse_config *cfg)
{
	/* The log is the disk; a cache before it would change the order. */
	fuse_unset_feature_flag(conn, FUSE_CAP_WRITEBACK_CACHE);
	conn->max_write = 1 << 20;
	cfg->attr_timeout = 3600;
	cfg->entry_timeout = 3600;
	cfg->hard_remove = 1;
	return NULL;
}

static const struct fuse_operations operations = {
	.getattr = disk_getattr,
	.open = disk_open,
	.read = disk_read,
	.write = disk_write,
	.fsync = disk_fsync,
	.init = disk_init,
};

int main(int argc, char **argv)
{
	char single[] = "-s";
	char foreground[] = "-f";
	char *args[] = { argv[0], single, foreground, argv[argc - 1], NULL };

	if (argc != 4) {
		fprintf(stderr, "usage: log_disk IMAGE LOG MOUNTPOINT\n");
		return 2;
	}
	image_fd = open(argv[1], O_RDWR | O_CLOEXEC);
	log_fd = open(argv[2],
		      O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC,
		      0600);
	if (image_fd < 0 || log_fd < 0) {
		perror("log_disk");
		return 1;
	}
	return fuse_main(4, args, &operations, NULL);
}

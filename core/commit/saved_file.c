/* SPDX-License-Identifier: MIT */
/*
 * A file is written under another name, flushed, and renamed, and then the
 * directory is flushed; so a crash leaves the old file or the new one.
 */
#include "saved_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/checksum.h"
#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "core/lib/le.h"
#include "core/lib/owner.h"

#define FILE_VERSION 1U

/*
 * The head of each file:
 *
 *   off  size  meaning (all integers little-endian)
 *     0     8  magic, the letters MAPFSCMT
 *     8     4  version, 1
 *    12     4  kind, enum saved_file_kind
 *    16     8  bytes of the payload, which follows and ends the file
 *    24     8  XXH3 of the payload, seeded with XXH3 of bytes 0 to 23
 */
struct file_disk {
	uint8_t magic[8];
	le32 version;
	le32 kind;
	le64 payload_bytes;
	le64 sum;
};
static_assert(sizeof(struct file_disk) == 32, "header has no padding");

static const uint8_t file_magic[8] = { 'M', 'A', 'P', 'F', 'S', 'C', 'M', 'T' };

static uint64_t file_sum(const struct file_disk *d, const void *payload,
			 size_t len)
{
	uint64_t seed = checksum64(d, offsetof(struct file_disk, sum), 0);

	return checksum64(payload, len, seed);
}

static int write_parts(int fd, enum saved_file_kind kind, const struct bytes *b)
{
	static const uint8_t nothing[1];
	const void *payload = b->buf ? b->buf : nothing;
	struct file_disk d = {
		.version = le32_of(FILE_VERSION),
		.kind = le32_of(kind),
		.payload_bytes = le64_of(b->len_bytes),
	};
	int err;

	memcpy(d.magic, file_magic, sizeof(d.magic));
	d.sum = le64_of(file_sum(&d, payload, b->len_bytes));
	err = io_pwrite_all("commit.file", fd, &d, sizeof(d), 0);
	if (!err)
		err = io_pwrite_all("commit.file", fd, payload, b->len_bytes,
				    sizeof(d));
	return err ? err : io_fsync("commit.file", fd);
}

int saved_file_write(int dirfd, const char *name, enum saved_file_kind kind,
		     const struct bytes *b)
{
	char tmp[64];
	int fd;
	int err = b->failed ? -ENOMEM : 0;

	if (err)
		return err;
	(void)snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	err = owner_create_file(dirfd, tmp, O_WRONLY, &fd);
	if (err)
		return err;
	err = write_parts(fd, kind, b);
	close(fd);
	if (!err)
		err = fault_point("commit.file.rename");
	if (!err && renameat(dirfd, tmp, dirfd, name) < 0)
		err = -errno;
	if (err) {
		(void)unlinkat(dirfd, tmp, 0);
		return err;
	}
	return io_fsync("commit.dir", dirfd);
}

static int read_payload(int fd, enum saved_file_kind kind, uint8_t **buf,
			size_t *len)
{
	struct file_disk d;
	struct stat st;
	uint64_t n;
	uint8_t *p;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(d))
		return -EUCLEAN;
	err = io_pread_all(fd, &d, sizeof(d), 0);
	if (err)
		return err;
	if (memcmp(d.magic, file_magic, sizeof(d.magic)) != 0)
		return -EUCLEAN;
	if (le32_get(d.version) > FILE_VERSION)
		return -EPROTONOSUPPORT;
	n = le64_get(d.payload_bytes);
	if (le32_get(d.kind) != (uint32_t)kind ||
	    n != (uint64_t)st.st_size - sizeof(d))
		return -EUCLEAN;
	p = malloc(n + 1);
	if (!p)
		return -ENOMEM;
	err = io_pread_all(fd, p, n, sizeof(d));
	if (!err && file_sum(&d, p, n) != le64_get(d.sum))
		err = -EBADMSG;
	if (err) {
		free(p);
		return err;
	}
	*buf = p;
	*len = n;
	return 0;
}

int saved_file_read(int dirfd, const char *name, enum saved_file_kind kind,
		    uint8_t **buf, size_t *len)
{
	int fd = openat(dirfd, name,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int err;

	if (fd < 0)
		return -errno;
	err = read_payload(fd, kind, buf, len);
	close(fd);
	return err;
}

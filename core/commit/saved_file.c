/* SPDX-License-Identifier: MIT */
/*
 * A file is written under another name, flushed, and renamed, and then the
 * directory is flushed; so a crash leaves the old file or the new one.
 */
#include "saved_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#include "core/lib/path.h"

/*
 * The head of each file:
 *
 *   off  size  meaning (all integers little-endian)
 *     0     8  magic, the letters MAPFSCMT
 *     8     4  version: 2 of a plan, 1 of the others
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

static const char *name_of(enum saved_file_kind kind)
{
	switch (kind) {
	case SAVED_FILE_OPEN:
		return "open";
	case SAVED_FILE_PLAN:
		return "plan";
	case SAVED_FILE_INOS:
		return "inos";
	case SAVED_FILE_AFTER:
		return "after";
	case SAVED_FILE_SUMS:
		return "sums";
	}
	return "";
}

/* The plan of a commit that has sums must not be undone without them. */
static uint32_t version_of(enum saved_file_kind kind)
{
	return kind == SAVED_FILE_PLAN ? 2 : 1;
}

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
		.version = le32_of(version_of(kind)),
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

int saved_file_write(int dirfd, enum saved_file_kind kind,
		     const struct bytes *b)
{
	const char *name = name_of(kind);
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
	if (le32_get(d.version) > version_of(kind))
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

/* "DIR/NAME", of a directory that is open. */
static void path_in(int dirfd, const char *name, char out[PATH_MAX])
{
	char link[PATH_OF_FD_BYTES];
	ssize_t n;

	path_of_fd(dirfd, link);
	n = readlink(link, out, PATH_MAX - 64);
	(void)snprintf(out + (n < 0 ? 0 : n), 64, "/%s", name);
}

static void say_damaged(int dirfd, enum saved_file_kind kind,
			const char *sentence, struct reason *why)
{
	char path[PATH_MAX];

	path_in(dirfd, name_of(kind), path);
	reason_set(why, "%s: is damaged: %s", path, sentence);
}

void saved_file_refuse(int dirfd, enum saved_file_kind kind, uint64_t len,
		       struct reason *why)
{
	char text[128];

	(void)snprintf(
		text, sizeof(text),
		"its %llu bytes from offset %zu on are no record of a commit",
		(unsigned long long)len, sizeof(struct file_disk));
	say_damaged(dirfd, kind, text, why);
}

int saved_file_read(int dirfd, enum saved_file_kind kind, uint8_t **buf,
		    size_t *len, struct reason *why)
{
	int fd = openat(dirfd, name_of(kind),
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[128];
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	err = read_payload(fd, kind, buf, len);
	if (err == -EBADMSG && fstat(fd, &st) == 0) {
		(void)snprintf(
			text, sizeof(text),
			"its %lld bytes from offset 0 on do not fit their checksum",
			(long long)st.st_size);
		say_damaged(dirfd, kind, text, why);
	} else if (err == -EUCLEAN) {
		say_damaged(dirfd, kind,
			    "its head, bytes 0 to 31, does not fit the file",
			    why);
	}
	close(fd);
	return err;
}

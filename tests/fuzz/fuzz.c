/* SPDX-License-Identifier: MIT */
/*
 * Files in memory, and checksums as in core/FORMAT.md.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/journal/segment.h"
#include "core/lib/checksum.h"

#define ANCHOR_SLOT_BYTES 4096U
#define ANCHOR_SUM_AT 144U
#define SAVED_SUM_AT 24U
#define SAVED_HEADER_BYTES 32U

void fuzz_must(bool held)
{
	if (!held)
		abort();
}

static char dir[64];

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_dir(void)
{
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_dir(void)
{
	if (*dir)
		return dir;
	(void)snprintf(dir, sizeof(dir), "/dev/shm/mapfs-fuzz-XXXXXX");
	if (!mkdtemp(dir)) {
		(void)snprintf(dir, sizeof(dir), "/tmp/mapfs-fuzz-XXXXXX");
		fuzz_must(mkdtemp(dir));
	}
	fuzz_must(atexit(remove_dir) == 0);
	return dir;
}

static int open_in(const char *where, const char *name, int flags)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", where, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

void fuzz_put(const char *where, const char *name, const uint8_t *data,
	      size_t size)
{
	int fd = open_in(where, name, O_WRONLY | O_CREAT);

	fuzz_must(fd >= 0);
	fuzz_must(ftruncate(fd, (off_t)size) == 0);
	fuzz_must(pwrite(fd, data, size, 0) == (ssize_t)size);
	close(fd);
}

uint8_t *fuzz_get(const char *where, const char *name, size_t *size)
{
	int fd = open_in(where, name, O_RDONLY);
	struct stat st;
	uint8_t *buf;

	if (fd < 0)
		return NULL;
	fuzz_must(fstat(fd, &st) == 0);
	*size = (size_t)st.st_size;
	buf = malloc(*size + 1);
	fuzz_must(buf && read(fd, buf, *size) == (ssize_t)*size);
	close(fd);
	return buf;
}

static void put_sum(uint8_t *at, uint64_t sum)
{
	le64 disk = le64_of(sum);

	memcpy(at, &disk, sizeof(disk));
}

void fuzz_sum_segment(uint8_t *data, size_t size)
{
	struct segment_disk head;
	struct group_disk g;
	uint64_t seed;
	size_t at = SEGMENT_HEADER_BYTES;

	if (size < SEGMENT_HEADER_BYTES)
		return;
	memcpy(&head, data, sizeof(head));
	put_sum(data + offsetof(struct segment_disk, sum), segment_sum(&head));
	seed = checksum64(head.uuid, sizeof(head.uuid), le64_get(head.number));
	while (at + sizeof(g) <= size) {
		uint64_t len;

		memcpy(&g, data + at, sizeof(g));
		len = le64_get(g.payload_bytes);
		if (le32_get(g.magic) != GROUP_MAGIC ||
		    len > size - at - sizeof(g))
			return;
		put_sum(data + at + offsetof(struct group_disk, sum),
			group_sum(&g, data + at + sizeof(g), len, seed));
		at += sizeof(g) + ((len + 7) & ~(uint64_t)7);
	}
}

void fuzz_sum_anchor(uint8_t *data, size_t size)
{
	for (unsigned int slot = 0; slot < 2; slot++) {
		uint8_t *p = data + (size_t)slot * ANCHOR_SLOT_BYTES;

		if (size < (size_t)slot * ANCHOR_SLOT_BYTES + ANCHOR_SUM_AT + 8)
			return;
		put_sum(p + ANCHOR_SUM_AT, checksum64(p, ANCHOR_SUM_AT, slot));
	}
}

void fuzz_sum_saved_file(uint8_t *data, size_t size)
{
	if (size < SAVED_HEADER_BYTES)
		return;
	put_sum(data + SAVED_SUM_AT,
		checksum64(data + SAVED_HEADER_BYTES, size - SAVED_HEADER_BYTES,
			   checksum64(data, SAVED_SUM_AT, 0)));
}

/* SPDX-License-Identifier: MIT */
/*
 * Writing one segment.  A group is put together in memory and written with
 * one pwrite into space reserved before, so an error leaves at most bytes
 * that the next group overwrites and no reader believes.
 *
 *   segment N: | header, 4096 | group | group | ... | reserved: zeros |
 *
 *      create             publish
 *   -----------> N.tmp ------------> N
 *                      header, fsync, rename, fsync of the directory
 */
#include "journal_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/checksum.h"
#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "core/lib/owner.h"

#define RESERVE_MIN_BYTES (16ULL << 10)
#define RESERVE_MAX_BYTES (4ULL << 20)
/* A buffer that one huge group made larger is not kept. */
#define SCRATCH_KEEP_BYTES (1U << 20)

void segment_name(uint64_t number, bool tmp, char *out)
{
	(void)snprintf(out, SEGMENT_NAME_BYTES, "%" PRIu64 "%s", number,
		       tmp ? ".tmp" : "");
}

uint64_t segment_number(const char *name, bool *tmp)
{
	char again[SEGMENT_NAME_BYTES];
	uint64_t n = 0;

	for (const char *p = name; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (uint64_t)(*p - '0');
		if (n > SEGMENT_NUMBER_MAX)
			return 0;
	}
	/* One number, one name: no leading zeros, nothing behind. */
	segment_name(n, false, again);
	*tmp = false;
	if (strcmp(name, again) == 0)
		return n;
	segment_name(n, true, again);
	*tmp = true;
	return strcmp(name, again) == 0 ? n : 0;
}

uint64_t segment_seed(const struct journal_id *id, uint64_t number)
{
	return checksum64(id->uuid, sizeof(id->uuid), number);
}

uint64_t segment_sum(const struct segment_disk *d)
{
	return checksum64(d, offsetof(struct segment_disk, sum), 0);
}

uint64_t group_sum(const struct group_disk *d, const void *payload, size_t len,
		   uint64_t seed)
{
	return checksum64(payload, len,
			  checksum64(d, offsetof(struct group_disk, sum),
				     seed));
}

int segment_iterate(int dirfd, int (*fn)(void *arg, uint64_t number, bool tmp),
		    void *arg)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int err = 0;

	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err) {
		const struct dirent *e;
		uint64_t number;
		bool tmp;

		errno = 0;
		e = readdir(dir);
		if (!e) {
			err = -errno;
			break;
		}
		number = segment_number(e->d_name, &tmp);
		if (number > 0)
			err = fn(arg, number, tmp);
	}
	closedir(dir);
	return err;
}

/* Space for `need` bytes at the end of the segment [D5]. */
static int segment_reserve(struct segment *s, uint64_t need)
{
	uint64_t least;
	uint64_t more = s->reserved;
	int err;

	if (s->cannot_reserve || s->end + need <= s->reserved)
		return 0;
	least = s->end + need - s->reserved;
	if (more < RESERVE_MIN_BYTES)
		more = RESERVE_MIN_BYTES;
	if (more > RESERVE_MAX_BYTES)
		more = RESERVE_MAX_BYTES;
	if (more < least)
		more = least;
	err = io_reserve("journal.reserve", s->fd, s->reserved, more);
	if ((err == -ENOSPC || err == -EDQUOT) && more > least) {
		more = least;
		err = io_reserve("journal.reserve", s->fd, s->reserved, more);
	}
	/* Where nothing can be reserved, the write itself reports ENOSPC. */
	if (err == -EOPNOTSUPP) {
		s->cannot_reserve = true;
		return 0;
	}
	if (!err)
		s->reserved += more;
	return err;
}

int segment_create(struct journal *j, struct segment *s, uint64_t number,
		   mapfs_lsn first_lsn, unsigned int flags)
{
	char name[SEGMENT_NAME_BYTES];
	int err = fault_point("journal.create");
	int fd;

	if (err)
		return err;
	if (j->where.ephemeral) {
		err = io_tmpfile(j->where.dirfd, &fd);
		if (err)
			return err;
	} else {
		segment_name(number, true, name);
		err = owner_create_file(j->where.dirfd, name, O_RDWR, &fd);
		if (err)
			return err;
	}
	*s = (struct segment){
		.fd = fd,
		.number = number,
		.first_lsn = first_lsn,
		.flags = flags,
		.seed = segment_seed(&j->id, number),
		.end = SEGMENT_HEADER_BYTES,
	};
	return 0;
}

static int segment_write_header(const struct journal *j,
				const struct segment *s, mapfs_lsn durable_lsn)
{
	uint8_t block[SEGMENT_HEADER_BYTES] = { 0 };
	struct segment_disk d = {
		.magic = le64_of(SEGMENT_MAGIC),
		.version = le32_of(SEGMENT_VERSION),
		.flags = le32_of(s->flags),
		.must_refuse = le64_of(SEGMENT_HAS_BASE),
		.number = le64_of(s->number),
		.first_lsn = le64_of(s->first_lsn),
		.durable_lsn = le64_of(durable_lsn),
	};

	memcpy(d.uuid, j->id.uuid, sizeof(d.uuid));
	memcpy(d.epoch, j->id.epoch, sizeof(d.epoch));
	d.sum = le64_of(segment_sum(&d));
	memcpy(block, &d, sizeof(d));
	return io_pwrite_all("journal.header", s->fd, block, sizeof(block), 0);
}

int segment_publish(struct journal *j, struct segment *s, mapfs_lsn durable_lsn)
{
	char tmp[SEGMENT_NAME_BYTES];
	char name[SEGMENT_NAME_BYTES];
	int err;

	if (j->where.ephemeral)
		return 0;
	segment_name(s->number, true, tmp);
	segment_name(s->number, false, name);
	err = segment_write_header(j, s, durable_lsn);
	/* The name must not lead to a segment that is not there yet. */
	if (!err)
		err = io_fsync("journal.fsync", s->fd);
	if (!err)
		err = fault_point("journal.rename");
	if (!err && renameat(j->where.dirfd, tmp, j->where.dirfd, name) < 0)
		err = -errno;
	if (err)
		return err;
	s->named = true;
	/* What it replaces may go only after the new name is durable. */
	return io_fsync("journal.dir", j->where.dirfd);
}

void segment_end(struct segment *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->scratch);
	*s = (struct segment){ .fd = -1 };
}

void segment_discard(struct journal *j, struct segment *s)
{
	char name[SEGMENT_NAME_BYTES];

	if (s->fd >= 0 && !s->named && !j->where.ephemeral) {
		segment_name(s->number, true, name);
		(void)unlinkat(j->where.dirfd, name, 0);
	}
	segment_end(s);
}

static uint8_t *scratch_room(struct segment *s, size_t bytes)
{
	uint8_t *p;

	if (bytes <= s->scratch_bytes)
		return s->scratch;
	if (fault_point("journal.memory") != 0)
		return NULL;
	p = realloc(s->scratch, bytes);
	if (!p)
		return NULL;
	s->scratch = p;
	s->scratch_bytes = bytes;
	return p;
}

int segment_append(struct segment *s, enum group_kind kind, mapfs_lsn lsn,
		   const void *payload, size_t len)
{
	struct group_disk d = {
		.magic = le32_of(GROUP_MAGIC),
		.kind = le32_of(kind),
		.payload_bytes = le64_of(len),
		.lsn = le64_of(lsn),
	};
	size_t padded = (len + 7) & ~(size_t)7;
	size_t total = sizeof(d) + padded;
	uint8_t *p;
	int err;

	if (len > GROUP_MAX_BYTES)
		return -EMSGSIZE;
	p = scratch_room(s, total);
	if (!p)
		return -ENOMEM;
	err = segment_reserve(s, total);
	if (err)
		return err;
	d.sum = le64_of(group_sum(&d, payload, len, s->seed));
	memcpy(p, &d, sizeof(d));
	if (len > 0)
		memcpy(p + sizeof(d), payload, len);
	memset(p + sizeof(d) + len, 0, padded - len);
	err = io_pwrite_all("journal.append", s->fd, p, total, s->end);
	if (!err)
		s->end += total;
	if (s->scratch_bytes > SCRATCH_KEEP_BYTES) {
		free(s->scratch);
		s->scratch = NULL;
		s->scratch_bytes = 0;
	}
	return err;
}

int segment_append_mark(struct segment *s, enum group_kind kind, mapfs_lsn lsn,
			mapfs_lsn covers, mapfs_lsn flushed)
{
	struct mark_disk d = {
		.covers = le64_of(covers),
		.flushed = le64_of(flushed),
	};

	assert(covers < lsn);
	assert(flushed < lsn);
	return segment_append(s, kind, lsn, &d, sizeof(d));
}

bool segment_is_needed(const struct journal *j, uint64_t number)
{
	return j->needs && j->needs(j->needs_arg, number);
}

void segments_remove(struct journal *j, uint64_t first, uint64_t end)
{
	char name[SEGMENT_NAME_BYTES];

	/* What stays behind is removed at the next start. */
	for (uint64_t n = first; n < end && !j->where.ephemeral; n++) {
		if (segment_is_needed(j, n) ||
		    fault_point("journal.remove") != 0)
			continue;
		segment_name(n, false, name);
		(void)unlinkat(j->where.dirfd, name, 0);
	}
}

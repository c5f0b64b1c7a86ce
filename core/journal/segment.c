/* SPDX-License-Identifier: MIT */
/*
 * One segment is written.  A group is put together in memory and written with
 * one pwrite into space that was reserved before, so that an error leaves at
 * most bytes that no checksum confirms and that the next group overwrites.
 *
 *   segment N: | header, 4096 | group | group | ... | reserved: zeros |
 *
 *      create             publish
 *   -----------> N.tmp ------------> N
 *                      header, fsync, rename, fsync of the directory
 */
#include "segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/checksum.h"
#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "core/lib/owner.h"
#include "spare.h"

#define RESERVE_MIN_BYTES (16ULL << 10)
#define RESERVE_MAX_BYTES (4ULL << 20)
/* A buffer that a huge group made larger than this is not kept. */
#define SCRATCH_KEEP_BYTES (1U << 20)

void segment_name(uint64_t number, bool tmp, char out[SEGMENT_NAME_BYTES])
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
	/* One number has one name: no leading zeros, nothing behind it. */
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

static bool is_full(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

static int reserve_more(struct segment *s, uint64_t more, bool grows)
{
	int err = grows ? io_check_headroom(s->fd, more, IO_RECORDS) : 0;

	return err ? err :
		     io_reserve("journal.reserve", s->fd, s->reserved, more);
}

int segment_reserve(struct segment *s, uint64_t need, bool grows)
{
	uint64_t least;
	uint64_t more = s->reserved;
	int err = -ENOSPC;

	if (s->cannot_reserve)
		return grows ? io_check_headroom(s->fd, need, IO_RECORDS) : 0;
	if (s->end + need <= s->reserved)
		return 0;
	least = s->end + need - s->reserved;
	if (more < RESERVE_MIN_BYTES)
		more = RESERVE_MIN_BYTES;
	if (more > RESERVE_MAX_BYTES)
		more = RESERVE_MAX_BYTES;
	if (more < least)
		more = least;
	/*
	 * More than is needed is not taken from a disk that is nearly full, but
	 * a part of it saves asking again for each group.
	 */
	while (more > least) {
		err = reserve_more(s, more, true);
		if (!is_full(err))
			break;
		more /= 4;
	}
	if (is_full(err)) {
		more = least;
		err = reserve_more(s, least, grows);
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

int segment_open(const struct journal_where *where, uint64_t number, int *fd,
		 uint64_t *file_bytes)
{
	char name[SEGMENT_NAME_BYTES];
	struct stat st;
	int err = fault_point("journal.open");

	if (err)
		return err;
	segment_name(number, false, name);
	/* O_NONBLOCK: to open a fifo with a segment's name must not block. */
	*fd = openat(where->dirfd, name,
		     O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*fd < 0)
		return errno == ENOENT || errno == ELOOP ? -EUCLEAN : -errno;
	if (fstat(*fd, &st) < 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EUCLEAN;
	else if (st.st_size < SEGMENT_HEADER_BYTES)
		err = -EBADMSG;
	if (!err || err == -EBADMSG)
		*file_bytes = (uint64_t)st.st_size;
	if (err)
		close(*fd);
	return err;
}

int segment_create(struct segment *s, const struct journal_where *where,
		   const struct journal_id *id)
{
	char name[SEGMENT_NAME_BYTES];
	int err;
	int fd;

	*s = (struct segment){
		.fd = -1,
		.number = s->number,
		.first_lsn = s->first_lsn,
		.flags = s->flags,
		.seed = segment_seed(id, s->number),
		.end = SEGMENT_HEADER_BYTES,
		.covers = s->first_lsn - 1,
	};
	err = fault_point("journal.create");
	if (err)
		return err;
	segment_name(s->number, true, name);
	err = where->ephemeral ? io_tmpfile(where->dirfd, &fd) :
				 spare_take(where, name, &fd, &s->reserved);
	/* Whatever is wrong with the spare, a new file needs none. */
	if (err && !where->ephemeral) {
		s->reserved = 0;
		err = owner_create_file(where->dirfd, name, O_RDWR, &fd);
	}
	if (!err)
		s->fd = fd;
	return err;
}

static int write_header(struct segment *s, const struct journal_id *id,
			mapfs_lsn durable_lsn)
{
	uint8_t block[SEGMENT_HEADER_BYTES] = { 0 };
	struct segment_disk d = {
		.magic = le64_of(SEGMENT_MAGIC),
		.version = le32_of(SEGMENT_VERSION),
		.flags = le32_of(s->flags),
		.must_refuse = le64_of(SEGMENT_HAS_BASE | SEGMENT_HAS_SUMS |
				       id->must_refuse),
		.number = le64_of(s->number),
		.first_lsn = le64_of(s->first_lsn),
		.durable_lsn = le64_of(durable_lsn),
	};

	memcpy(d.uuid, id->uuid, sizeof(d.uuid));
	memcpy(d.epoch, id->epoch, sizeof(d.epoch));
	d.sum = le64_of(segment_sum(&d));
	memcpy(block, &d, sizeof(d));
	s->header_sum = le64_get(d.sum);
	return io_pwrite_all("journal.header", s->fd, block, sizeof(block), 0);
}

int segment_publish(struct segment *s, const struct journal_where *where,
		    const struct journal_id *id, mapfs_lsn durable_lsn)
{
	char tmp[SEGMENT_NAME_BYTES];
	char name[SEGMENT_NAME_BYTES];
	int err;

	if (where->ephemeral)
		return 0;
	segment_name(s->number, true, tmp);
	segment_name(s->number, false, name);
	err = write_header(s, id, durable_lsn);
	/* The name must not lead to groups that are not durable yet. */
	if (!err)
		err = io_fsync("journal.fsync", s->fd);
	if (!err)
		err = fault_point("journal.rename");
	if (!err && renameat(where->dirfd, tmp, where->dirfd, name) < 0)
		err = -errno;
	if (err)
		return err;
	s->named = true;
	segment_note_flush(s, s->end, s->covers);
	/* Only when the name is durable, the segments before may be removed. */
	return io_fsync("journal.dir", where->dirfd);
}

void segment_note_flush(struct segment *s, uint64_t end, mapfs_lsn covers)
{
	if (end > s->durable_end)
		s->durable_end = end;
	if (covers > s->durable_covers)
		s->durable_covers = covers;
}

void segment_trim(struct segment *s, uint64_t keep)
{
	const uint64_t end = s->end + keep;

	if (s->fd >= 0 && s->reserved > end &&
	    ftruncate(s->fd, (off_t)end) == 0)
		s->reserved = end;
}

void segment_end(struct segment *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->scratch);
	*s = (struct segment){ .fd = -1 };
}

void segment_discard(struct segment *s, const struct journal_where *where)
{
	char name[SEGMENT_NAME_BYTES];

	if (s->fd >= 0 && !s->named && !where->ephemeral) {
		segment_name(s->number, true, name);
		(void)unlinkat(where->dirfd, name, 0);
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
	err = segment_reserve(s, total, false);
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
	int err;

	assert(covers < lsn);
	assert(flushed < lsn);
	err = segment_append(s, kind, lsn, &d, sizeof(d));
	if (!err && covers > s->covers)
		s->covers = covers;
	return err;
}

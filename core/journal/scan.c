/* SPDX-License-Identifier: MIT */
/*
 * The groups of a segment are read through one buffer.  A length from the file
 * is compared with the length of the file before it is used, and a group with
 * its checksum before it is believed [S1].
 */
#include "scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"

#define READ_BYTES ((size_t)1 << 20)

int scan_begin(struct scan *s, const struct journal_where *where,
	       const struct journal_id *id, uint64_t number,
	       mapfs_lsn first_lsn)
{
	*s = (struct scan){
		.seed = segment_seed(id, number),
		.off = SEGMENT_HEADER_BYTES,
		.lsn = first_lsn,
	};
	return segment_open(where, number, &s->fd, &s->file_bytes);
}

/* Room for `len` bytes, and for more of the file to save reads. */
static int scan_grow(struct scan *s, size_t len)
{
	size_t cap = READ_BYTES;
	uint8_t *p;

	if (cap > s->file_bytes)
		cap = (size_t)s->file_bytes;
	if (cap < len)
		cap = len;
	if (s->buf && len <= s->buf_cap)
		return 0;
	if (fault_point("journal.memory") != 0)
		return -ENOMEM;
	p = realloc(s->buf, cap);
	if (!p)
		return -ENOMEM;
	s->buf = p;
	s->buf_cap = cap;
	return 0;
}

/* 1 and `len` bytes of the file at `off`; 0: it is not that long. */
static int scan_bytes(struct scan *s, uint64_t off, size_t len,
		      const uint8_t **out)
{
	ssize_t n;
	int err;

	if (len > s->file_bytes || off > s->file_bytes - len)
		return 0;
	if (off < s->buf_off || off + len > s->buf_off + s->buf_bytes) {
		err = scan_grow(s, len);
		if (err)
			return err;
		n = io_pread_some(s->fd, s->buf, s->buf_cap, off);
		s->buf_bytes = n > 0 ? (size_t)n : 0;
		s->buf_off = off;
		if (n < 0)
			return (int)n;
		if (s->buf_bytes < len)
			return 0;
	}
	*out = s->buf + (off - s->buf_off);
	return 1;
}

static bool kind_is_known(uint32_t kind)
{
	return kind == GROUP_RECORDS || kind == GROUP_SYNC ||
	       kind == GROUP_CLOSE;
}

int scan_group_at(struct scan *s, uint64_t off, struct sound_group *out)
{
	struct group_disk d;
	const uint8_t *p = NULL;
	uint64_t len;
	int ret = scan_bytes(s, off, sizeof(d), &p);

	if (ret <= 0)
		return ret;
	assert(p);
	memcpy(&d, p, sizeof(d));
	len = le64_get(d.payload_bytes);
	if (le32_get(d.magic) != GROUP_MAGIC || len > GROUP_MAX_BYTES ||
	    !kind_is_known(le32_get(d.kind)))
		return 0;
	ret = scan_bytes(s, off, sizeof(d) + (size_t)len, &p);
	if (ret <= 0)
		return ret;
	if (group_sum(&d, p + sizeof(d), (size_t)len, s->seed) !=
	    le64_get(d.sum))
		return 0;
	*out = (struct sound_group){
		.kind = (enum group_kind)le32_get(d.kind),
		.lsn = le64_get(d.lsn),
		.payload = p + sizeof(d),
		.len = (size_t)len,
	};
	return 1;
}

int scan_next(struct scan *s, struct sound_group *out)
{
	int ret = scan_group_at(s, s->off, out);

	if (ret <= 0)
		return ret;
	if (out->lsn != s->lsn)
		return 0;
	s->off += sizeof(struct group_disk) + ((out->len + 7) & ~(uint64_t)7);
	s->lsn++;
	return 1;
}

int mark_decode(const struct sound_group *g, mapfs_lsn *covers,
		mapfs_lsn *flushed)
{
	struct mark_disk d;

	if (g->len != sizeof(d))
		return -EUCLEAN;
	memcpy(&d, g->payload, sizeof(d));
	if (le64_get(d.covers) >= g->lsn || le64_get(d.flushed) >= g->lsn)
		return -EUCLEAN;
	*covers = le64_get(d.covers);
	*flushed = le64_get(d.flushed);
	return 0;
}

void scan_end(struct scan *s)
{
	close(s->fd);
	free(s->buf);
}

/* SPDX-License-Identifier: MIT */
/*
 * An open journal: groups are appended to one segment, and the segments before
 * it are history.
 *
 *   create:  segment 1, published with the first records and a mark
 *   start:   segment N + 1, published empty; N stays as recovery left it
 *   compact: segment N + 1, published with the whole state and a mark;
 *            1..N are removed
 *
 * A segment is published (gets its name) only when these groups are in it, so
 * each of the three happens as a whole or not at all.
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/io.h"
#include "core/lib/owner.h"
#include "spare.h"
#include "state.h"

static int refuse_segment(void *arg, uint64_t number, bool tmp)
{
	(void)arg;
	(void)number;
	return tmp ? 0 : -EEXIST;
}

int journal_create(struct journal **out, const struct journal_where *where,
		   const struct journal_id *id, const void *records, size_t len)
{
	struct journal *j = journal_alloc(where, id);
	int err = 0;

	if (!j)
		return -ENOMEM;
	j->seg.number = 1;
	j->seg.first_lsn = 1;
	j->seg.flags = SEGMENT_FROM_NOTHING;
	if (!where->ephemeral)
		err = segment_iterate(where->dirfd, refuse_segment, NULL);
	if (!err)
		err = segment_create(&j->seg, where, id);
	if (!err)
		err = segment_append(&j->seg, GROUP_RECORDS, 1, records, len);
	/* So that a power cut right after the creation loses nothing. */
	if (!err)
		err = segment_append_mark(&j->seg, GROUP_SYNC, 2, 1, 0);
	if (!err)
		err = segment_publish(&j->seg, where, id, 2);
	if (err) {
		segment_discard(&j->seg, where);
		journal_free(j);
		return err;
	}
	j->next_lsn = 3;
	j->flushed_lsn = 2;
	*out = j;
	return 0;
}

/* Removes unpublished segments, and those that a compaction left. */
static int remove_leftover(void *arg, uint64_t number, bool tmp)
{
	const struct journal *j = arg;
	char name[SEGMENT_NAME_BYTES];

	if (tmp ||
	    (number < j->first_number && !journal_needs_segment(j, number))) {
		segment_name(number, tmp, name);
		(void)unlinkat(j->where.dirfd, name, 0);
	}
	return 0;
}

/* On an error `s` can be used once more. */
static int start_segment(struct journal *j, struct segment *s,
			 const void *records, size_t len)
{
	const mapfs_lsn lsn = s->first_lsn;
	const struct segment again = { .number = s->number, .first_lsn = lsn };
	const mapfs_lsn last = len > 0 ? lsn + 1 : lsn - 1;
	int err = segment_create(s, &j->where, &j->id);

	if (!err && len > 0)
		err = segment_append(s, GROUP_RECORDS, lsn, records, len);
	if (!err && len > 0)
		err = segment_append_mark(s, GROUP_SYNC, lsn + 1, lsn, 0);
	if (!err)
		err = segment_publish(s, &j->where, &j->id, last);
	if (err) {
		segment_discard(s, &j->where);
		*s = again;
	}
	return err;
}

/* Space that the last writer of the newest segment reserved and did not use. */
static void trim_last(const struct journal *j)
{
	char name[SEGMENT_NAME_BYTES];
	int fd = -1;

	segment_name(j->last_number, false, name);
	if (owner_open_file(j->where.dirfd, name, O_RDWR, &fd) != 0)
		return;
	(void)!ftruncate(fd, (off_t)j->unused_from);
	close(fd);
}

int journal_start(struct journal *j)
{
	return journal_start_with(j, NULL, 0);
}

int journal_start_with(struct journal *j, const void *records, size_t len)
{
	const mapfs_lsn lsn = j->next_lsn;
	const mapfs_lsn next = len > 0 ? lsn + 2 : lsn;
	struct segment s = {
		.number = j->last_number + 1,
		.first_lsn = lsn,
	};
	int err;

	assert(j->seg.fd < 0);
	assert(!j->where.ephemeral);
	err = start_segment(j, &s, records, len);
	/* There is no spare, or no space for its new name. */
	if (err == -ENOSPC || err == -EDQUOT) {
		journal_tidy(j);
		trim_last(j);
		spare_drop(&j->where);
		/* btrfs has the space only after a commit. */
		if (io_fsync("journal.dir", j->where.dirfd) == 0)
			err = start_segment(j, &s, records, len);
	}
	if (err)
		return err;
	j->seg = s;
	j->next_lsn = next;
	j->flushed_lsn = next - 1;
	/* A file that stays counts for nothing and costs only space. */
	journal_tidy(j);
	trim_last(j);
	return 0;
}

int journal_reserve(struct journal *j, uint64_t bytes, bool grows)
{
	int err = -EROFS;

	rmutex_lock(&j->lock);
	assert(j->seg.fd >= 0);
	if (!j->broken)
		err = segment_reserve(&j->seg, bytes, grows);
	rmutex_unlock(&j->lock);
	return err;
}

int journal_make_spare(struct journal *j, uint64_t bytes)
{
	int err = 0;

	if (j->where.ephemeral)
		return 0;
	rmutex_lock(&j->lock);
	if (j->spare_bytes != bytes)
		err = spare_make(&j->where, bytes);
	/* Without such a call there is nothing to try again. */
	if (err == -EOPNOTSUPP)
		err = 0;
	if (!err)
		j->spare_bytes = bytes;
	rmutex_unlock(&j->lock);
	return err;
}

void journal_trim(struct journal *j, uint64_t keep)
{
	rmutex_lock(&j->lock);
	if (!j->where.ephemeral)
		segment_trim(&j->seg, keep);
	rmutex_unlock(&j->lock);
}

int journal_append(struct journal *j, const void *records, size_t len,
		   mapfs_lsn *lsn)
{
	int err = -EROFS;

	rmutex_lock(&j->lock);
	assert(j->seg.fd >= 0);
	assert(!j->closed);
	if (!j->broken)
		err = segment_append(&j->seg, GROUP_RECORDS, j->next_lsn,
				     records, len);
	if (!err)
		*lsn = j->next_lsn++;
	rmutex_unlock(&j->lock);
	return err;
}

int journal_mark(struct journal *j, enum group_kind kind, mapfs_lsn covers)
{
	int err = -EROFS;

	assert(kind != GROUP_RECORDS);
	rmutex_lock(&j->lock);
	assert(j->seg.fd >= 0);
	assert(!j->closed);
	assert(covers < j->next_lsn);
	assert(kind != GROUP_CLOSE || covers == j->next_lsn - 1);
	if (!j->broken)
		err = segment_append_mark(&j->seg, kind, j->next_lsn, covers,
					  j->flushed_lsn);
	if (!err) {
		j->next_lsn++;
		j->closed = kind == GROUP_CLOSE;
	}
	rmutex_unlock(&j->lock);
	return err;
}

int journal_flush(struct journal *j)
{
	mapfs_lsn upto;
	mapfs_lsn covers;
	uint64_t end;
	bool broken;
	int err;
	int fd;

	if (j->where.ephemeral)
		return 0;
	rmutex_lock(&j->lock);
	upto = j->next_lsn - 1;
	covers = j->seg.covers;
	end = j->seg.end;
	fd = j->seg.fd;
	broken = j->broken;
	rmutex_unlock(&j->lock);
	if (broken)
		return -EROFS;
	err = io_fdatasync("journal.flush", fd);
	if (err)
		return err;
	rmutex_lock(&j->lock);
	if (upto > j->flushed_lsn)
		j->flushed_lsn = upto;
	segment_note_flush(&j->seg, end, covers);
	rmutex_unlock(&j->lock);
	return 0;
}

void journal_add_feature(struct journal *j, uint64_t must_refuse)
{
	j->id.must_refuse |= must_refuse;
}

void journal_durable(struct journal *j, struct journal_bound *out)
{
	rmutex_lock(&j->lock);
	*out = (struct journal_bound){
		.segment = j->seg.number,
		.header_sum = j->seg.header_sum,
		.first_lsn = j->seg.first_lsn,
		.lsn = j->seg.durable_covers,
		.end = j->seg.durable_end,
		.closed = j->closed && j->flushed_lsn == j->next_lsn - 1,
	};
	if (out->closed)
		out->lsn = j->flushed_lsn;
	memcpy(out->uuid, j->id.uuid, sizeof(out->uuid));
	rmutex_unlock(&j->lock);
}

mapfs_lsn journal_last_lsn(struct journal *j)
{
	mapfs_lsn lsn;

	rmutex_lock(&j->lock);
	lsn = j->next_lsn - 1;
	rmutex_unlock(&j->lock);
	return lsn;
}

void journal_position(struct journal *j, uint64_t *first_segment,
		      uint64_t *last_segment, mapfs_lsn *lsn)
{
	rmutex_lock(&j->lock);
	*first_segment = j->first_number;
	*last_segment = j->seg.number;
	*lsn = j->next_lsn - 1;
	rmutex_unlock(&j->lock);
}

void journal_set_needs(struct journal *j,
		       bool (*fn)(void *arg, uint64_t segment), void *arg)
{
	j->needs = fn;
	j->needs_arg = arg;
}

void journal_tidy(struct journal *j)
{
	if (!j->where.ephemeral)
		(void)!segment_iterate(j->where.dirfd, remove_leftover, j);
}

uint64_t journal_segments(struct journal *j)
{
	uint64_t n;

	rmutex_lock(&j->lock);
	n = j->seg.number - j->first_number + 1;
	rmutex_unlock(&j->lock);
	return n;
}

uint64_t journal_bytes(struct journal *j)
{
	uint64_t n;

	rmutex_lock(&j->lock);
	n = j->older_bytes + j->seg.end;
	rmutex_unlock(&j->lock);
	return n;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	journal_trim(j, 0);
	journal_free(j);
}

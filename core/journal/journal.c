/* SPDX-License-Identifier: MIT */
/*
 * The journal while it is open: one segment takes the groups, the ones before
 * it are history.
 *
 *   create:  segment 1, born with the first records and a mark
 *   start:   segment N + 1, empty; N stays as recovery left it
 *   compact: segment N + 1, born with the whole state and a mark; 1..N go
 *
 * A segment gets its name when it holds all that its birth promises, so each
 * of these is there whole or not at all.
 */
#include "journal_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"

struct journal *journal_alloc(const struct journal_where *where,
			      const struct journal_id *id)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->where = *where;
	j->id = *id;
	j->seg.fd = -1;
	j->next_lsn = 1;
	j->first_number = 1;
	rmutex_init(&j->lock, RANK_JOURNAL);
	return j;
}

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
	if (!where->ephemeral)
		err = segment_iterate(where->dirfd, refuse_segment, NULL);
	if (!err)
		err = segment_create(j, &j->seg, 1, 1, SEGMENT_FROM_NOTHING);
	if (!err)
		err = segment_append(&j->seg, GROUP_RECORDS, 1, records, len);
	/* Born durable: a power cut right after finds this first state. */
	if (!err)
		err = segment_append_mark(&j->seg, GROUP_SYNC, 2, 1, 0);
	if (!err)
		err = segment_publish(j, &j->seg, 2);
	if (err) {
		segment_discard(j, &j->seg);
		journal_close(j);
		return err;
	}
	j->next_lsn = 3;
	j->flushed_lsn = 2;
	*out = j;
	return 0;
}

/* What never got a name, and what a compaction did not live to remove. */
static int remove_leftover(void *arg, uint64_t number, bool tmp)
{
	const struct journal *j = arg;
	char name[SEGMENT_NAME_BYTES];

	if (tmp ||
	    (number < j->first_number && !segment_is_needed(j, number))) {
		segment_name(number, tmp, name);
		(void)unlinkat(j->where.dirfd, name, 0);
	}
	return 0;
}

int journal_start(struct journal *j)
{
	struct segment s;
	int err;

	assert(j->seg.fd < 0);
	assert(!j->where.ephemeral);
	err = segment_create(j, &s, j->last_number + 1, j->next_lsn, 0);
	if (err)
		return err;
	err = segment_publish(j, &s, j->next_lsn - 1);
	if (err) {
		segment_discard(j, &s);
		return err;
	}
	j->seg = s;
	/* They count for nothing, so a failure costs space only. */
	journal_tidy(j);
	return 0;
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
	bool broken;
	int err;
	int fd;

	if (j->where.ephemeral)
		return 0;
	rmutex_lock(&j->lock);
	upto = j->next_lsn - 1;
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
	rmutex_unlock(&j->lock);
	return 0;
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
	/* Gives back what was reserved for groups that never came. */
	if (j->seg.fd >= 0 && !j->where.ephemeral &&
	    j->seg.reserved > j->seg.end)
		(void)!ftruncate(j->seg.fd, (off_t)j->seg.end);
	segment_end(&j->seg);
	rmutex_fini(&j->lock);
	free(j);
}

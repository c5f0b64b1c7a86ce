/* SPDX-License-Identifier: MIT */
/*
 * Compaction: the state becomes a new segment whose header says that all
 * segments before it are to be ignored.  It ends in a sync mark of its own and
 * is durable before it gets its name, so a power cut after that cannot make it
 * untrusted.
 *
 *   write N+1.tmp, flush | rename | fsync directory | remove 1..N
 *     old history counts | one of the two counts    | the new state counts
 *
 * If the directory cannot be flushed after the rename, the next opening may
 * find either name.  A group appended to one segment would be missing in the
 * other, so the journal accepts no more.
 */
#include "compact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "state.h"

struct journal_compaction {
	struct journal *j; /* borrowed */
	struct segment seg;
	mapfs_lsn next_lsn;
};

static int begin(struct journal *j, uint64_t number,
		 struct journal_compaction **out)
{
	struct journal_compaction *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->j = j;
	c->next_lsn = j->next_lsn;
	c->seg = (struct segment){
		.number = number,
		.first_lsn = c->next_lsn,
		.flags = SEGMENT_FROM_NOTHING,
	};
	err = segment_create(&c->seg, &j->where, &j->id);
	/* The segment was made from the spare, if there was one. */
	rmutex_lock(&j->lock);
	j->spare_bytes = 0;
	rmutex_unlock(&j->lock);
	if (err) {
		free(c);
		return err;
	}
	*out = c;
	return 0;
}

int journal_compact_begin(struct journal *j, struct journal_compaction **out)
{
	assert(j->seg.fd >= 0);
	assert(!j->closed);
	return j->broken ? -EROFS : begin(j, j->seg.number + 1, out);
}

int journal_compact_new(struct journal **out, const struct journal_where *where,
			const struct journal_id *id,
			const struct journal_start_at *at,
			struct journal_compaction **c)
{
	struct journal *j = journal_alloc(where, id);
	int err;

	assert(!where->ephemeral);
	if (!j)
		return -ENOMEM;
	j->next_lsn = at->lsn;
	/* So that no segment before it is removed. */
	j->first_number = at->segment;
	err = begin(j, at->segment, c);
	if (err)
		journal_free(j);
	else
		*out = j;
	return err;
}

int journal_compact_append(struct journal_compaction *c, const void *records,
			   size_t len)
{
	int err = segment_append(&c->seg, GROUP_RECORDS, c->next_lsn, records,
				 len);

	if (!err)
		c->next_lsn++;
	return err;
}

/*
 * The new segment replaces all others.  If its publication failed after the
 * rename (`err`), the journal is broken and nothing is removed.
 */
static void compact_install(struct journal_compaction *c, int err)
{
	struct journal *j = c->j;
	uint64_t first;

	rmutex_lock(&j->lock);
	assert(j->next_lsn == c->seg.first_lsn);
	segment_end(&j->seg);
	first = j->first_number;
	j->seg = c->seg;
	j->next_lsn = c->next_lsn;
	j->flushed_lsn = c->next_lsn - 1;
	j->older_bytes = 0;
	j->first_number = c->seg.number;
	j->broken = err != 0;
	rmutex_unlock(&j->lock);
	if (!err)
		journal_remove_segments(j, first, c->seg.number);
	free(c);
}

int journal_compact_reserve(struct journal_compaction *c, uint64_t bytes)
{
	return segment_reserve(&c->seg, bytes, false);
}

bool journal_compact_saves(const struct journal_compaction *c)
{
	const struct journal *j = c->j;
	char name[SEGMENT_NAME_BYTES];
	uint64_t bytes = j->seg.end;
	struct stat st;

	if (j->where.ephemeral)
		return c->seg.end < bytes;
	if (journal_needs_segment(j, j->seg.number))
		bytes = 0;
	for (uint64_t n = j->first_number; n < j->seg.number; n++) {
		segment_name(n, false, name);
		if (!journal_needs_segment(j, n) &&
		    fstatat(j->where.dirfd, name, &st, AT_SYMLINK_NOFOLLOW) ==
			    0)
			bytes += (uint64_t)st.st_size;
	}
	return c->seg.end < bytes;
}

int journal_compact_end(struct journal_compaction *c)
{
	mapfs_lsn last = c->next_lsn - 1;
	int err =
		segment_append_mark(&c->seg, GROUP_SYNC, c->next_lsn, last, 0);

	if (!err)
		c->next_lsn++;
	if (!err)
		err = segment_publish(&c->seg, &c->j->where, &c->j->id,
				      c->next_lsn - 1);
	if (err && !c->seg.named)
		journal_compact_abort(c);
	else
		compact_install(c, err);
	return err;
}

void journal_compact_abort(struct journal_compaction *c)
{
	segment_discard(&c->seg, &c->j->where);
	free(c);
}

/* SPDX-License-Identifier: MIT */
/*
 * An open journal in memory.  Segments that it no longer needs are removed
 * without a look at the error: a segment that stays counts for nothing, and
 * the next start tries again.
 */
#include "state.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/lib/fault.h"

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

bool journal_needs_segment(const struct journal *j, uint64_t number)
{
	return j->needs && j->needs(j->needs_arg, number);
}

void journal_remove_segments(struct journal *j, uint64_t first, uint64_t end)
{
	char name[SEGMENT_NAME_BYTES];

	for (uint64_t n = first; n < end && !j->where.ephemeral; n++) {
		if (journal_needs_segment(j, n) ||
		    fault_point("journal.remove") != 0)
			continue;
		segment_name(n, false, name);
		(void)unlinkat(j->where.dirfd, name, 0);
	}
}

void journal_free(struct journal *j)
{
	segment_end(&j->seg);
	rmutex_fini(&j->lock);
	free(j);
}

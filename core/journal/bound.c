/* SPDX-License-Identifier: MIT */
#include "bound.h"

#include <errno.h>
#include <string.h>

mapfs_lsn journal_bound_need(const struct journal_bound *b,
			     const struct segment_info *seg)
{
	return b && b->segment == seg->number ? b->lsn : 0;
}

/* The journal ends in the segment that the bound names. */
static int check_end(const struct journal_bound *b,
		     const struct segment_verdict *v, mapfs_lsn trusted,
		     struct journal_damage *damage)
{
	/* A closed segment is trusted up to its end whatever marks it has. */
	const mapfs_lsn last = b->closed ? v->last : trusted;

	if (last >= b->lsn && v->end >= b->end)
		return 0;
	return journal_damage_set(damage,
				  v->file_bytes < b->end ? JOURNAL_CUT_OFF :
							   JOURNAL_BAD_GROUP,
				  b->segment, v->end);
}

int journal_bound_check(const struct journal_bound *b,
			const struct segment_list *list,
			const struct segment_verdict *newest, mapfs_lsn trusted,
			struct journal_damage *damage)
{
	const struct segment_info *oldest = &list->info[list->count - 1];
	size_t n = 0;

	if (memcmp(list->info[0].uuid, b->uuid, sizeof(b->uuid)) != 0)
		return journal_damage_set(damage, JOURNAL_OTHER_SEGMENT,
					  list->info[0].number, 0);
	if (list->info[0].number < b->segment)
		return journal_damage_set(damage, JOURNAL_HAS_NO_FILE,
					  b->segment, 0);
	/* It was replaced by a compaction, which had all of it. */
	if (oldest->number > b->segment)
		return oldest->first_lsn > b->lsn ?
			       0 :
			       journal_damage_set(damage, JOURNAL_BAD_ORDER,
						  oldest->number, 0);
	while (list->info[n].number != b->segment)
		n++;
	if (list->info[n].first_lsn != b->first_lsn ||
	    list->info[n].header_sum != b->header_sum)
		return journal_damage_set(damage, JOURNAL_OTHER_SEGMENT,
					  b->segment, 0);
	if (n == 0)
		return check_end(b, newest, trusted, damage);
	/* Replay finds that segment sound up to where the next one begins. */
	return list->info[n - 1].first_lsn > b->lsn ?
		       0 :
		       journal_damage_set(damage, JOURNAL_BAD_ORDER,
					  list->info[n - 1].number, 0);
}

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_BOUND_H
#define MAPFS_CORE_JOURNAL_BOUND_H

/*
 * What is known of the end of a journal from outside of it, so that a segment
 * that was removed, shortened or exchanged is no torn end [S4].
 *
 * A bound was true once and stays true: later segments may follow the one that
 * it names, and a compaction may have replaced that one.  If it is closed, the
 * segments behind were published by openings that changed nothing, or the
 * bound is older than the journal; then it still says what must be there.
 *
 * Lifetime: a value.
 * Errors:   0, or -EUCLEAN / -EBADMSG and the place in `damage`.
 * Locking:  none.
 */
#include "verdict.h"

struct journal_bound {
	uint8_t uuid[JOURNAL_UUID_BYTES];
	uint64_t segment;    /* the newest one; 0: there was none */
	uint64_t header_sum; /* its segment_info's */
	mapfs_lsn first_lsn; /* its segment_info's */
	mapfs_lsn lsn;	     /* recovery trusts at least the groups up to it;
				closed: the last group */
	uint64_t end;	     /* offset up to which the segment was durable;
				closed: behind the last group */
	bool closed;
};

/*
 * `newest` is the verdict on the newest segment, whose groups up to `trusted`
 * recovery would count.
 */
int must_check journal_bound_check(const struct journal_bound *b,
				   const struct segment_list *list,
				   const struct segment_verdict *newest,
				   mapfs_lsn trusted,
				   struct journal_damage *damage);
/* The groups that the bound says this segment has; 0: it says nothing. */
mapfs_lsn journal_bound_need(const struct journal_bound *b,
			     const struct segment_info *seg);

#endif

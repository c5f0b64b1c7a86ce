/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_STATE_H
#define MAPFS_CORE_JOURNAL_STATE_H

/*
 * The state of an open journal, which replay, appending and compaction share,
 * and the removal of its segments.
 *
 * Lifetime: journal_alloc() to journal_free(), which closes the segment that
 *           is being written.
 * Errors:   none but memory.
 * Locking:  each field names its lock; journal_remove_segments() wants no
 *           other thread to compact or start the journal.
 */
#include "core/lib/lock.h"
#include "segment.h"

struct journal {
	struct journal_where where; /* fixed while open */
	struct journal_id id;	    /* fixed while open */
	struct rmutex lock;	    /* RANK_JOURNAL */
	struct segment seg;	    /* takes the appends; by lock */
	mapfs_lsn next_lsn;	    /* by lock */
	mapfs_lsn flushed_lsn;	    /* durable up to here; by lock */
	uint64_t older_bytes;	    /* history before this segment; by lock */
	uint64_t first_number;	    /* oldest segment that counts; by lock */
	uint64_t last_number;	    /* newest that open saw; fixed then */
	bool (*needs)(void *arg, uint64_t segment); /* fixed early */
	void *needs_arg;			    /* fixed early */
	uint64_t unused_from; /* offset in segment last_number, behind
				       what open read; fixed then */
	uint64_t spare_bytes; /* of the spare; 0: unknown; by lock */
	bool broken;	      /* which name counts is not known; by lock */
	bool closed;	      /* a GROUP_CLOSE was written; by lock */
};

/* A journal without a segment, which begins at lsn 1; NULL: no memory. */
struct journal *journal_alloc(const struct journal_where *where,
			      const struct journal_id *id);
/* Must the segment stay although history begins later? */
bool journal_needs_segment(const struct journal *j, uint64_t number);
/* Removes the segments first .. end - 1 that exist and are not needed. */
void journal_remove_segments(struct journal *j, uint64_t first, uint64_t end);
void journal_free(struct journal *j);

#endif

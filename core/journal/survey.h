/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_SURVEY_H
#define MAPFS_CORE_JOURNAL_SURVEY_H

/*
 * A journal as it is, damaged or not: its segments, what is wrong in which of
 * them, and how far it can be replayed.  Reads every group of every segment,
 * and writes nothing.
 *
 *   segment 3 (from nothing)    segment 4 (newest)
 *   | a b c d e |               | f g ## i j S k |
 *                                     ^ sound_lsn is that of g; ## is a fault;
 *                                       i, j and k are sound, but behind it
 *
 * Lifetime: journal_survey() .. journal_survey_fini().
 * Errors:   0 or a negative errno; damage is no error.  -ENOENT: there is no
 *           segment; -EPROTONOSUPPORT: a newer format.
 * Locking:  none.  If another process writes the journal meanwhile, segments
 *           may disappear, and the caller repeats it.
 */
#include "replay.h"

enum journal_fault_kind {
	JOURNAL_MISSING, /* segments between two others */
	JOURNAL_HEADER,	 /* the header of a segment */
	JOURNAL_GROUPS,	 /* groups that were written, and are not sound */
};

struct journal_fault {
	enum journal_fault_kind kind;
	uint64_t segment;	/* MISSING: the first of them */
	uint64_t segment_count; /* MISSING; else 1 */
	uint64_t off_bytes;	/* in the segment */
	uint64_t len_bytes;	/* up to the next sound group, or the end */
	mapfs_lsn first_lsn;	/* of the lost groups; 0: not known */
	mapfs_lsn next_lsn;	/* of the next sound group; 0: none */
};

struct survey_segment {
	uint64_t number;
	mapfs_lsn first_lsn;
	mapfs_lsn durable_lsn;
	mapfs_lsn need_lsn; /* groups up to it are known to have been there */
	mapfs_lsn end_lsn;  /* the next one begins with it; 0: not known */
	mapfs_lsn last_lsn; /* of its last sound group; first_lsn - 1: none */
	bool is_readable;   /* its header is sound */
	bool from_nothing;
	bool same_epoch;
	bool is_closed;	   /* ends in GROUP_CLOSE */
	mapfs_lsn covered; /* by the last of its marks */
	size_t faults;	   /* how many of the survey's are in it */
};

struct journal_survey {
	/* Set by the caller: */
	struct journal_where where; /* its descriptor is borrowed */
	struct journal_id id;	    /* its epoch */
	struct journal_bound bound; /* what the journal must have */
	bool has_bound;
	/* Results: */
	struct survey_segment *segment; /* oldest first */
	size_t count;
	size_t cap;
	struct journal_fault *fault; /* in the order of the segments */
	size_t fault_count;
	size_t fault_cap;
	/*
	 * The newest segment that starts from nothing and whose beginning is
	 * sound, or else the newest that starts from nothing; `count`: none.
	 */
	size_t first;
	/*
	 * Up to here the state of `first` can be replayed, as recovery would
	 * trust it; 0: not at all, because the state that `first` begins with
	 * is damaged itself.
	 */
	mapfs_lsn sound_lsn;
	mapfs_lsn last_lsn; /* of the last sound group anywhere */
	uint64_t bytes;	    /* read so far */
};

/* Bytes that were read; non-zero stops, and is returned. */
typedef int (*journal_survey_fn)(void *arg, uint64_t bytes);

/* Fills in `id`, too; `fn` may be NULL. */
int must_check journal_survey(struct journal_survey *s, journal_survey_fn fn,
			      void *arg);
void journal_survey_fini(struct journal_survey *s);
/* Is anything wrong from `first` on, so that the present state is damaged? */
bool journal_survey_is_damaged(const struct journal_survey *s);
/* Does the history that a snapshot needs have a fault?  NULL: none. */
const struct journal_fault *
journal_survey_history(const struct journal_survey *s,
		       const struct journal_history *h);
/*
 * Calls back for the sound groups of records from `first` on, with lsns from
 * `from` to `to`, those behind a fault included.
 */
int must_check journal_survey_replay(const struct journal_survey *s,
				     mapfs_lsn from, mapfs_lsn to,
				     const struct journal_replay *r);
/* How many groups of records journal_survey_replay() would call back for. */
int must_check journal_survey_count(const struct journal_survey *s,
				    mapfs_lsn from, mapfs_lsn to,
				    uint64_t *out);

#endif

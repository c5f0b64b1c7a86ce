/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_ANCHOR_H
#define MAPFS_CORE_STORE_ANCHOR_H

/*
 * The anchor of a store says, outside of the segments, how far its journal
 * reaches, so that nothing of it disappears without a word [S4]; and which
 * file its arena is, so that a copy that was taken of a store in use is known
 * as one.
 *
 *   before the first segment      both slots: no segment yet        flushed
 *   a segment was begun           that segment, open                flushed
 *   every few seconds             what is durable by now            not flushed
 *   a snapshot, another journal   the same                          flushed
 *   closing                       the end, closed                   flushed
 *
 * Each of them is true when it is written and stays true until the store is
 * opened for changes after it was closed; so an old one does no harm, and the
 * one that opening writes is flushed before the first change.
 *
 * Calling sequence: anchor_look(), anchor_check_pages(), the journal is opened with anchor_bound(),
 *   anchor_check(); for changes anchor_resume() or, in a new store and in one
 *   of an earlier version, anchor_begin(), before a segment says that there is
 *   an anchor; anchor_write() ...; anchor_close().
 *
 * Lifetime: struct anchor is the caller's; zeroed, or anchor_look() to
 *           anchor_close().
 * Errors:   0 or a negative errno; checks: and a sentence in `why`.
 * Locking:  sync_lock keeps writes apart.
 */
#include "core/lib/reason.h"
#include "anchor_file.h"

struct journal;

struct anchor {
	struct anchor_file file;
	struct anchor_facts facts;  /* as read */
	struct journal_bound bound; /* of it, what the journal must have */
	struct base_identity pages; /* the arena's file, now */
	uint64_t pages_bytes;	    /* its size when it was looked at */
	int err;	   /* why there are no facts: -ENOENT, -EBADMSG; or 0 */
	bool has_bad_slot; /* one of the two is damaged */
	bool is_moved;	   /* the facts are of another arena's file */
	struct journal_bound written; /* by sync_lock */
	bool is_copy; /* taken while the store was in use, and not opened for
			 changes since; fixed by anchor_judge_copy() */
};

/* Numbers that the anchor records, too. */
struct anchor_counts {
	uint64_t snapshots;
	uint64_t private_pages;
	uint64_t pages_bytes;
};

/* Reads the anchor of the store, if it has a sound one. */
int must_check anchor_look(struct anchor *a, int dirfd, bool for_change);
/* For journal_open(); NULL: nothing is known. */
const struct journal_bound *anchor_bound(const struct anchor *a);
/*
 * The journal was opened, and its newest segment has these bits; NULL: it has
 * no segment.  -EUCLEAN: that cannot be.
 */
int must_check anchor_check(struct anchor *a, struct journal *j,
			    uint64_t must_refuse, const char *store,
			    struct reason *why);
/* -EUCLEAN: the arena's file is shorter than when the store was closed. */
int must_check anchor_check_pages(const struct anchor *a, const char *store,
				  struct reason *why);
/*
 * Sets is_copy, as anchor_check() does; `last` is the lsn of the last group
 * that counts, 0: not known.
 */
void anchor_judge_copy(struct anchor *a, mapfs_lsn last);
/* The anchor that was read is going to be written. */
int must_check anchor_resume(struct anchor *a);
/* A new anchor; durable on return. */
int must_check anchor_begin(struct anchor *a, int dirfd, const uint8_t *uuid);
/* What is durable of the journal by now. */
int must_check anchor_write(struct anchor *a, struct journal *j,
			    const struct anchor_counts *counts, bool flush);
/* For struct anchor_counts. */
uint64_t anchor_size_of_pages(int dirfd);
void anchor_close(struct anchor *a);

#endif

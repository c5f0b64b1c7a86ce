/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_JOURNAL_H
#define MAPFS_CORE_JOURNAL_JOURNAL_H

/*
 * Append-only log of atomic groups of records, in numbered segments.
 *
 * A *group* is a header (length, kind, lsn, XXH3) and an opaque payload; it
 * counts as a whole or not at all.  The journal interprets only the kinds:
 *   GROUP_RECORDS  the caller's records
 *   GROUP_SYNC     sync point: all groups up to the lsn it `covers` are
 *                  durable together with the pages they name
 *   GROUP_CLOSE    like SYNC, covers all, and nothing follows in the segment
 * The last two are *marks*.
 *
 * Every opening starts a new segment.  Its header names the store, the first
 * lsn and the *epoch* (boot and mount of the store's file system; 32 opaque
 * bytes), which distinguishes the death of the daemon from one of the
 * machine.  A segment counts up to the first lsn of the next, so groups that
 * recovery discarded never count again, and nothing is ever overwritten.
 *
 * Calling sequence: journal_create(), or journal_open() (replay.h) and then
 *   journal_start(); journal_append()*, journal_mark(), compaction
 *   (compact.h); at last journal_close().  Between open and start the caller
 *   makes its own files durable as far as recovery trusted them
 *   (journal_open() did so with the journal's).  Death anywhere leaves either
 *   the old segments or the old and the new.
 *
 * Lifetime: create/open give the caller the only reference; journal_close()
 *           ends it and accepts NULL.
 * Errors:   0 or a negative errno; -EROFS: a compaction failed in a way that
 *           leaves no segment to append to.
 * Locking:  takes RANK_JOURNAL for moments.  The caller keeps compactions and
 *           journal_flush() apart from each other (store.sync_lock), and
 *           appends away from compaction.
 */
#include "compact.h"
#include "replay.h"
#include "segment.h"

/*
 * A new journal whose first group is `records`; ready for appends.  -EEXIST:
 * there is a segment.
 */
int must_check journal_create(struct journal **out,
			      const struct journal_where *where,
			      const struct journal_id *id, const void *records,
			      size_t len);
/*
 * Segments that stay although history begins later; asked by journal_start(),
 * compaction and journal_tidy().  To be called before these; `fn` must take
 * no lock.
 */
void journal_set_needs(struct journal *j,
		       bool (*fn)(void *arg, uint64_t segment), void *arg);
/* Segments that begin from now on have these feature bits, too. */
void journal_add_feature(struct journal *j, uint64_t must_refuse);
/* Begins the new segment: from now on groups can be appended. */
int must_check journal_start(struct journal *j);
/* The same; it is published with these records and a mark that covers them. */
int must_check journal_start_with(struct journal *j, const void *records,
				  size_t len);
/*
 * The next `bytes` bytes of groups, of 32 bytes and their payload each, cannot
 * fail for lack of space [A2].  `grows`: as for segment_reserve().
 */
int must_check journal_reserve(struct journal *j, uint64_t bytes, bool grows);
/*
 * Keeps so much space for the next segment (spare.h), whichever call creates
 * it.  -ENOSPC, -EDQUOT: it has less.
 */
int must_check journal_make_spare(struct journal *j, uint64_t bytes);
/* Gives back the space reserved for further groups, but for `keep` bytes. */
void journal_trim(struct journal *j, uint64_t keep);
/* Copies `len` bytes in, one atomic group; in the page cache on return [D3]. */
int must_check journal_append(struct journal *j, const void *records,
			      size_t len, mapfs_lsn *lsn);
/*
 * Appends a GROUP_SYNC or GROUP_CLOSE; `covers` was taken with
 * journal_last_lsn() before the pages were flushed, and is the last lsn for
 * GROUP_CLOSE.  Nothing may be appended after GROUP_CLOSE.
 */
int must_check journal_mark(struct journal *j, enum group_kind kind,
			    mapfs_lsn covers);
/* Groups appended so far survive a power cut. */
int must_check journal_flush(struct journal *j);
/* Removes segments that are neither history nor needed. */
void journal_tidy(struct journal *j);
mapfs_lsn journal_last_lsn(struct journal *j);
/* What a power cut would leave at least; closed: exactly. */
void journal_durable(struct journal *j, struct journal_bound *out);
/* The history up to the last group: its segments, and that group's lsn. */
void journal_position(struct journal *j, uint64_t *first_segment,
		      uint64_t *last_segment, mapfs_lsn *lsn);
/* How many segments count. */
uint64_t journal_segments(struct journal *j);
/* Bytes of all segments that count. */
uint64_t journal_bytes(struct journal *j);
/* Flushes nothing: mark and flush first. */
void journal_close(struct journal *j);

#endif

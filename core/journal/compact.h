/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_COMPACT_H
#define MAPFS_CORE_JOURNAL_COMPACT_H

/*
 * Compaction: one new segment, which holds the whole state, replaces all
 * others at once.
 *
 * Calling sequence: journal_compact_begin(); journal_compact_append() until
 *   the whole state is appended; journal_compact_end() or
 *   journal_compact_abort().  The new segment is written under another name,
 *   flushed and renamed, and only then the old ones are removed.  Death
 *   anywhere leaves either the old history or the new state.
 *
 * Lifetime: end and abort free the struct, whatever end returns.
 * Errors:   0 or a negative errno.  abort, or an end that fails, leaves
 *           everything as it was; but if end cannot flush the directory after
 *           the rename, it is not known which of the two counts, and every
 *           later append, mark and flush is -EROFS.
 * Locking:  end takes RANK_JOURNAL.  The caller keeps appends, flushes and
 *           other compactions away from begin to end or abort.
 */
#include "where.h"

struct journal;
struct journal_compaction;

int must_check journal_compact_begin(struct journal *j,
				     struct journal_compaction **out);
/* Where a journal that is made of another one begins. */
struct journal_start_at {
	uint64_t segment;
	mapfs_lsn lsn;
};
/*
 * The same for a journal that has no present state yet: segments before this
 * one, if there are any, belong to snapshots.  *out is the journal, which the
 * caller closes after end or abort.
 */
int must_check journal_compact_new(struct journal **out,
				   const struct journal_where *where,
				   const struct journal_id *id,
				   const struct journal_start_at *at,
				   struct journal_compaction **c);
/* Appends `len` bytes of records as one group. */
int must_check journal_compact_append(struct journal_compaction *c,
				      const void *records, size_t len);
/* As journal_reserve(), for groups that follow the state. */
int must_check journal_compact_reserve(struct journal_compaction *c,
				       uint64_t bytes);
/* Will it be smaller than the segments that its end removes? */
bool journal_compact_saves(const struct journal_compaction *c);
int must_check journal_compact_end(struct journal_compaction *c);
void journal_compact_abort(struct journal_compaction *c);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_INTENT_H
#define MAPFS_CORE_STORE_INTENT_H

/*
 * Which regions of the arena may have pages that are being overwritten in
 * place, and so may differ from their recorded sums after a power cut [S3].
 * It is the write-intent bitmap of a RAID, in the journal:
 *
 *            overwrite_begin()                      flush
 *   QUIET ---------------------> APPENDED --------------------> IN_FLIGHT
 *     ^      record in flight                                       |
 *     '-------------------------------------------------------------'
 *       a sync point, long after the last overwrite: record settled
 *
 * So only the first overwrite in a region that was left alone costs a flush of
 * the journal, and no data is written twice.
 *
 * Calling sequence: store_overwrite_begin(), arena_write() in place,
 *   store_overwrite_end().  At a sync point, once the sums were appended,
 *   intent_append_settled().
 *
 * Lifetime: as the store; regions.h has the table.
 * Errors:   0 or a negative errno.  A failed flush latches the store [D4].
 * Locking:  takes RANK_INTENT, under which it appends to the journal.  A
 *           compaction is kept away by ns_lock.
 */
#include "core/lib/types.h"

struct group;
struct store;

/* After replay: regions that the arena has as in flight are so. */
int must_check intent_recover(struct store *st);
/* From now until the end these pages may be overwritten in place. */
int must_check store_overwrite_begin(struct store *st, mapfs_apage first,
				     uint64_t count);
void store_overwrite_end(struct store *st, mapfs_apage first, uint64_t count);
/* Adds a record for each region in flight. */
void intent_add(struct store *st, struct group *g);
/*
 * Appends that regions settled in which nothing was overwritten for `idle_s`
 * seconds.  What cannot be appended stays in flight.
 */
void intent_append_settled(struct store *st, int64_t idle_s);
bool intent_has_idle(struct store *st, int64_t idle_s);

#endif

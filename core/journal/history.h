/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_HISTORY_H
#define MAPFS_CORE_JOURNAL_HISTORY_H

/*
 * Which segments of a journal count (FORMAT.md), by their headers alone.
 *
 * Lifetime: segment_list_newest() or segment_list_of() fills a zeroed list,
 *           whatever it returns; segment_list_fini() frees it.
 * Errors:   0 or a negative errno.  -EUCLEAN / -EBADMSG: `damage` says where;
 *           the list has the segments that were read until then.
 *           -EPROTONOSUPPORT: a newer format; -ENOENT: no segment at all.
 * Locking:  none.  Others may add and remove segments meanwhile; then the
 *           result may be damage that is none.
 */
#include "damage.h"
#include "segment.h"

/* The groups of segments first .. last up to the lsn. */
struct journal_history {
	uint64_t first_segment;
	uint64_t last_segment;
	mapfs_lsn lsn;
};

/* The header of a segment, decoded. */
struct segment_info {
	uint64_t number;
	mapfs_lsn first_lsn;
	mapfs_lsn durable_lsn;
	uint64_t must_refuse;
	uint64_t header_sum; /* tells it from another segment N of the store */
	uint8_t uuid[JOURNAL_UUID_BYTES];
	bool from_nothing;
	bool same_epoch; /* as that of the journal_id */
};

/* The segments that count, newest first. */
struct segment_list {
	struct segment_info *info;
	size_t count;
	uint64_t *numbers; /* of all published segments, newest first */
	size_t numbers_count;
	size_t numbers_cap;
};

/* One header; `id->epoch` is the present epoch. */
int must_check segment_info_read(const struct journal_where *where,
				 const struct journal_id *id, uint64_t number,
				 struct segment_info *out,
				 struct journal_damage *damage);
/*
 * From the newest segment to the one that starts from nothing.  `id->uuid` and
 * `id->must_refuse` are filled in.
 */
int must_check segment_list_newest(const struct journal_where *where,
				   struct journal_id *id,
				   struct segment_list *list,
				   struct journal_damage *damage);
/* Those of a part of the history, whatever segments follow. */
int must_check segment_list_of(const struct journal_where *where,
			       struct journal_id *id,
			       const struct journal_history *h,
			       struct segment_list *list,
			       struct journal_damage *damage);
void segment_list_fini(struct segment_list *list);

#endif

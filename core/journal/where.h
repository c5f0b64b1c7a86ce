/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_WHERE_H
#define MAPFS_CORE_JOURNAL_WHERE_H

/*
 * Where a journal is, and which store and which opening its segments name.
 *
 * Lifetime: both structs are the caller's; the journal copies them, and
 *           borrows the descriptor until it is closed.
 * Errors, locking: values.
 */
#include "core/lib/types.h"

#define JOURNAL_EPOCH_BYTES 32
/* Segments without SEGMENT_HAS_ANCHOR: the rest is zero. */
#define JOURNAL_EPOCH_BYTES_BEFORE 24
#define JOURNAL_UUID_BYTES 16

struct journal_where {
	int dirfd;	 /* directory of segments (borrowed), or of tmpfiles */
	int spare_dirfd; /* of the spare (spare.h); borrowed; 0: none */
	bool ephemeral;	 /* unlinked files; dirfd < 0: memory; never flushed */
};

struct journal_id {
	uint8_t uuid[JOURNAL_UUID_BYTES];
	uint8_t epoch[JOURNAL_EPOCH_BYTES];
	/* Feature bits, besides those that every new segment has. */
	uint64_t must_refuse;
};

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_DUMP_H
#define MAPFS_CORE_DELTA_DUMP_H

/*
 * A delta as records again: for a compacted journal, and to copy one delta
 * into another.
 *
 * Lifetime: the group that `emit` gets is borrowed until it returns.
 * Errors:   0 or a negative errno; a non-zero result of `emit` stops the dump
 *           and is returned.
 * Locking:  the caller holds ns_lock for writing, or nobody else knows the
 *           set.
 */
#include "delta.h"

/*
 * Emits records that make the same delta of an empty set.  `emit` may read
 * `dumped` and `dump_all` of the set to tell how far the dump is.
 */
int must_check delta_set_dump(struct delta_set *s,
			      int (*emit)(void *arg, const struct group *g),
			      void *arg);

#endif

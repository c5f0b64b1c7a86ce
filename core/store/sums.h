/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_SUMS_H
#define MAPFS_CORE_STORE_SUMS_H

/*
 * The sums of pages in the journal [S3]: recorded at sync points, copied by a
 * compaction, judged by recovery.
 *
 * Lifetime: as the store.
 * Errors:   0 or a negative errno.
 * Locking:  sums_append(), sums_settle(): sync_lock is held, or nobody else
 *           knows the store.
 */
#include "core/lib/types.h"

struct group;
struct store;

/*
 * Appends the sums that the journal does not have.  After an error they count
 * as not recorded; -ENOSPC, -EDQUOT: that is all that is wrong.
 */
int must_check sums_append(struct store *st);
/*
 * Adds records of the sums of all own pages, and of the regions in flight;
 * `emit` may empty the group.
 */
int must_check sums_dump(struct store *st, struct group *g,
			 int (*emit)(void *arg, struct group *g), void *arg);
/* Adds the sums of pages of parents that the records of `named` name. */
int must_check sums_add_of_parents(struct store *st, const struct group *named,
				   struct group *g);
/* Gives sums to about so many pages that have none; false: none is left. */
bool sums_settle(struct store *st, uint64_t most);
/*
 * After replay: pages that were in flight when the store was not closed have
 * no sum.
 */
int must_check sums_recover(struct store *st, bool after_cut);

#endif

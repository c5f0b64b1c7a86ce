/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_RECOVER_H
#define MAPFS_CORE_STORE_RECOVER_H

/*
 * From journal to delta: replay of the whole journal when a store is opened,
 * and of its beginning up to a snapshot.
 *
 * Lifetime: as the store.
 * Errors:   0 or a negative errno; `why` is filled where more is known than
 *           the errno.  -EUCLEAN: the journal is damaged.
 * Locking:  recover_*(): before the store has a second thread.
 *           store_snapshot_load(): the caller keeps deletion of the snapshot
 *           away; nobody else knows `into`.
 */
#include "options.h"

struct delta_set;
struct snapshot;
struct snapshots;
struct store;

/* Opens the journal of a store with its directory and arena, or creates it. */
int must_check recover_journal(struct store *st,
			       const struct store_options *opt,
			       struct reason *why);
/* STORE_PAST: the delta of the snapshot, which is held until the end. */
int must_check recover_snapshot(struct store *st,
				const struct store_options *opt,
				struct reason *why);
/*
 * The delta of the snapshot `one`, into an empty set; `why` is filled only if
 * the journal is damaged.  `known` says which
 * objects of the base have another signature by now.
 */
int must_check store_snapshot_load(struct store *st, const struct snapshot *one,
				   const struct snapshots *known,
				   struct delta_set *into, struct reason *why);

#endif

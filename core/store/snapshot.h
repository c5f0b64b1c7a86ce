/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_SNAPSHOT_H
#define MAPFS_CORE_STORE_SNAPSHOT_H

/*
 * Creating, deleting and listing the snapshots of a store.
 *
 * Lifetime: as the store.
 * Errors:   0 or a negative errno and a sentence in `why`.  -EEXIST: the name
 *           is taken; -ENOENT: no such snapshot; -EBUSY: it has branches or
 *           is being read; -ESTALE: the base was committed to since.
 * Locking:  create and delete: nothing held, and after store_start(); both
 *           take RANK_SYNC and ns_lock.  Calls on a struct snapshots: the
 *           caller holds ns_lock, or is the only one who knows it.
 */
#include "core/delta/snapshot.h"
#include "core/mapfs.h"

struct store;

/* Durable on return [D1]. */
int must_check store_snapshot_create(struct store *st, const char *name,
				     const char *message, struct reason *why);
/* Durable on return; the pages that only this snapshot held are free. */
int must_check store_snapshot_delete(struct store *st, const char *name,
				     struct reason *why);
/* All but those that commits make for themselves; non-zero stops. */
int must_check store_snapshots_iterate(const struct snapshots *all,
				       mapfs_snapshot_fn fn, void *arg);
/* Is the snapshot `one` of the present version of the base? */
int must_check store_snapshot_may_show(const struct snapshots *all,
				       const struct snapshot *one,
				       const char *store, struct reason *why);

#endif

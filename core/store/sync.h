/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_SYNC_H
#define MAPFS_CORE_STORE_SYNC_H

/*
 * Sync points: moments up to which a power cut loses nothing.
 *
 * Lifetime: as the store.
 * Errors:   0 or a negative errno.  -EIO: the store is latched.  A sync that
 *           fails latches the store [D4], unless the call says otherwise.
 * Locking:  store_sync() takes RANK_SYNC.
 */
#include "core/lib/types.h"

struct store;

/* All changes made before the call survive a power cut [D1]. */
int must_check store_sync(struct store *st);
/*
 * The sync point itself, for callers that hold sync_lock.  An error does not
 * latch the store: the caller does.
 */
int must_check store_sync_locked(struct store *st);

#endif

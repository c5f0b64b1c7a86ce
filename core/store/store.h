/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_STORE_H
#define MAPFS_CORE_STORE_STORE_H

/*
 * An open store: lock, arena and journal as one thing, and the one way to
 * change it.
 *
 *   open.h      opening and closing
 *   store.h     changes
 *   sync.h      sync points: making changes durable
 *   snapshot.h  creating and deleting snapshots
 *   compact.h   replacing the journal: compaction, rollback, commit
 *
 * Lifetime: store_open() to store_close().
 * Errors:   0 or a negative errno.  [D4] After a failed sync, or when memory
 *           and journal differ, the store is latched: every change is -EROFS
 *           until the store is opened again.
 * Locking:  store_apply() as its delta_set_apply() asks.  store_lock() takes
 *           RANK_SYNC and RANK_NAMESPACE.  store_info() and store_statfs()
 *           take the locks of arena and journal, the other calls none.
 */
#include <sys/statvfs.h>

#include "core/arena/arena.h"
#include "core/delta/record.h"
#include "core/mapfs.h"

struct inode;
struct store;

struct arena *store_arena(struct store *st);
/* The directory of a kept store, borrowed; -1: it has none. */
int store_dir_fd(const struct store *st);
/* Was it opened to show a snapshot?  Then its arena has no pins. */
bool store_is_past(const struct store *st);
/* The store that has the arena of that number; NULL: a temporary one. */
const char *store_path_of(const struct store *st, unsigned int arena);
/* Of its base; ino 0: it was opened without. */
const struct base_identity *store_base_identity(const struct store *st);
/* -EROFS: the store is latched, or was not opened for changes. */
int must_check store_may_change(struct store *st);
/* The same, and -ENOSPC, -EDQUOT: a sync point would have no room [A2]. */
int must_check store_may_overwrite(struct store *st);
/*
 * Journals the group [D3], then applies it to the delta.  `locked`: as for
 * delta_set_apply().  A group that group_verify() does not accept is refused
 * with its errno, and so is one for which there is no room [A2] (-ENOSPC,
 * -EDQUOT; group.space); then nothing was written and nothing happened.
 */
int must_check store_apply(struct store *st, const struct group *g,
			   const struct inode *locked);
/* The bytes of a page were changed in place: the next sync has work to do. */
void store_touch(struct store *st);
/*
 * No more changes until the store is opened again [D4]; `what` failed with
 * `err`, which is logged.  The first call counts.
 */
void store_latch(struct store *st, int err, const char *what);
/*
 * Keeps syncs and changes of names away, for store_replace() and what must be
 * true at the same moment.
 */
void store_lock(struct store *st);
void store_unlock(struct store *st);

/* Fills the members of *out that describe a store. */
void store_info(struct store *st, struct mapfs_info *out);
/* Space where the pages are, as far as the limit of the store permits. */
int must_check store_statfs(struct store *st, struct statvfs *out);

#endif

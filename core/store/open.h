/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_OPEN_H
#define MAPFS_CORE_STORE_OPEN_H

/*
 * Opening and closing a store.
 *
 * Calling sequence: store_open(); store_set_ns_lock(); store_start(); changes, store_sync() ...;
 *   store_announce_mount() and store_announce_close() when the mount appears
 *   and disappears; store_close().  If the process dies, the kernel releases
 *   the lock, and the next store_open() replays the journal [D2] [D3].
 *
 * Lifetime: store_open() hands the caller the only reference; store_close()
 *           ends it and accepts NULL.
 * Errors:   0 or a negative errno; store_open() also fills `why`.
 * Locking:  none held.  store_open() may wait for another process to close
 *           the store (lock.h).
 */
#include "options.h"

struct delta_set;
struct rwlock;
struct store;

/*
 * Locks the store, creates it if it is to be created, and replays its journal
 * into `set`, whose arena is set here.
 */
int must_check store_open(struct store **out, const struct store_options *opt,
			  struct delta_set *set, struct reason *why);
/* The store locks `ns_lock` for snapshots and for compaction. */
void store_set_ns_lock(struct store *st, struct rwlock *ns_lock);
/* Starts the thread that syncs; before the first change. */
int must_check store_start(struct store *st);
/*
 * Writes into the lock, for processes that wait for the store: it is mounted
 * as the file system `dev` now; its mount is gone, and it will be closed.
 */
void store_announce_mount(struct store *st, dev_t dev);
void store_announce_close(struct store *st);
/* A last sync, then the end; the error of that sync, or an earlier one. */
int store_close(struct store *st);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_THREAD_H
#define MAPFS_CORE_STORE_THREAD_H

/*
 * The thread of a store: every 5 seconds it syncs what was changed [D2], and
 * compacts the journal if that has grown.
 *
 * Lifetime: store_thread_start() to store_thread_stop(), which may be called
 *           without a thread.
 * Errors:   0 or a negative errno.  Failures of the thread are logged, and
 *           those of a sync latch the store.
 * Locking:  start and stop: nothing held.
 */
#include "core/lib/types.h"

struct store;

int must_check store_thread_start(struct store *st);
void store_thread_stop(struct store *st);

#endif

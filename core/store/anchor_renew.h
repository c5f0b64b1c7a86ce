/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_ANCHOR_RENEW_H
#define MAPFS_CORE_STORE_ANCHOR_RENEW_H

/*
 * The anchor of an open store (anchor.h) is written again, so that it says what
 * is durable by now.  An ephemeral store has none.
 *
 * Lifetime: as the store.
 * Errors:   0 or a negative errno.  An anchor that could not be written is
 *           older than the journal, which does no harm.
 * Locking:  anchor_renew() takes RANK_SYNC and RANK_NAMESPACE;
 *           anchor_renew_locked(): both are held, or nobody else knows the
 *           store.
 */
#include "core/lib/types.h"

struct store;

/* flush: durable on return. */
int must_check anchor_renew_locked(struct store *st, bool flush);
/* Writes nothing if nothing has become durable since the last time. */
int must_check anchor_renew(struct store *st, bool flush);
/* The same, flushed, where what the caller did is done in any case. */
void anchor_renew_after(struct store *st);
void anchor_renew_after_locked(struct store *st);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_REBUILD_H
#define MAPFS_CORE_STORE_REBUILD_H

/*
 * A new store from what is sound of another one: the delta and the snapshots
 * that it was opened with, and their pages.  It has the same uuid, so that it
 * can take the place of the other one.
 *
 * Lifetime: none.
 * Errors:   0 or a negative errno and a sentence in `why`; then there is no new
 *           store.
 * Locking:  nobody else knows `st`, which was opened with `salvage`.
 */
#include "core/journal/compact.h"
#include "core/lib/reason.h"

struct store;

struct store_rebuild {
	const char *to;		    /* a new or an empty directory */
	struct journal_id id;	    /* without epoch */
	struct journal_start_at at; /* behind everything that was there */
	uint64_t pages;		    /* that the arena must have at least */
	/* Bytes that were copied; non-zero stops, and is returned.  Or NULL. */
	int (*progress)(void *arg, uint64_t bytes);
	void *arg;
};

/* Durable on return. */
int must_check store_rebuild(struct store *st, const struct store_rebuild *r,
			     struct reason *why);
/* The store forgets a snapshot, which then is not rebuilt. */
int must_check store_rebuild_without(struct store *st, uint64_t snapshot);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_REASONS_H
#define MAPFS_CORE_STORE_REASONS_H

/*
 * Sentences that several files give as the reason of a failure.
 *
 * Lifetime: the text of reason_of_opening() as that of reason_of().
 * Errors:   none.
 * Locking:  none.
 */
#include "core/journal/damage.h"
#include "core/lib/reason.h"

/* How such a sentence about damage ends; it takes the store's path twice. */
#define REASON_WAY_OUT                                              \
	"nothing was changed; `mapfs check %s` says what is lost, " \
	"`mapfs mount -o salvage -s %s BASE DIR` shows the rest"

/* The end of the sentence "store X: ..." when its journal cannot be read. */
const char *reason_of_opening(int err);
/*
 * The sentence for a call that ended with `err`: the place if that is known,
 * else as reason_of_opening().
 */
void reason_damaged(struct reason *why, const char *store, int err,
		    const struct journal_damage *damage);
/* No failure: the store is a copy that was taken while it was in use. */
void reason_copy(struct reason *why, const char *store);
/* Nor this: only a snapshot is lost. */
void reason_snapshot_damaged(struct reason *why, const char *store,
			     const char *snapshot, uint64_t segment);
/* Why a rollback or revert failed. */
const char *reason_of_replacing(int err);
void reason_not_a_store(struct reason *why, const char *path);
void reason_no_snapshot(struct reason *why, const char *store,
			const char *name);
void reason_base_gone(struct reason *why, const char *store, const char *base);
/* Is the interrupted commit of the store at this path being undone? */
bool commit_open_is_undo(const char *store);
void reason_commit_open(struct reason *why, const char *store);
/* A file in the directory of branches is damaged. */
void reason_bad_branch(struct reason *why, const char *store);

#endif

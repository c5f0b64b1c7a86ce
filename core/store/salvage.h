/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_SALVAGE_H
#define MAPFS_CORE_STORE_SALVAGE_H

/*
 * Opening a damaged store to look at what is sound: the delta as it was before
 * the first group that is lost.  Nothing is written.
 *
 * Lifetime: none.
 * Errors:   0 or a negative errno, and a sentence in `why` where more is known.
 *           -EUCLEAN: not even the beginning of the present state is sound.
 * Locking:  as recover_journal().
 */
#include "core/journal/journal.h"
#include "core/lib/reason.h"
#include "options.h"

struct store;

/* In place of journal_open(); a damaged store gets no journal. */
int must_check salvage_replay(struct store *st, struct journal_id *id,
			      const struct store_options *opt,
			      struct journal_replay *replay,
			      struct reason *why);

#endif

/* SPDX-License-Identifier: MIT */
#include "reasons.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

const char *reason_of_opening(int err)
{
	switch (err) {
	case -EPROTONOSUPPORT:
		return "it was written by a newer mapfs; use that version";
	case -EUCLEAN:
	case -EBADMSG:
		return "it is damaged, and nothing was changed; `mapfs check STORE` says what is lost, `mapfs mount -o salvage -s STORE BASE DIR` shows the rest";
	default:
		return reason_of(err);
	}
}

void reason_damaged(struct reason *why, const char *store, int err,
		    const struct journal_damage *damage)
{
	char place[96];

	if (damage->kind == JOURNAL_SOUND || damage->segment == 0) {
		reason_set(why, "store %s: %s", store, reason_of_opening(err));
		return;
	}
	if (damage->offset > 0)
		(void)snprintf(place, sizeof(place),
			       "is damaged at byte %" PRIu64, damage->offset);
	else
		(void)snprintf(place, sizeof(place), "is damaged");
	reason_set(why,
		   "store %s: segment %" PRIu64 " (journal/%" PRIu64
		   ") %s: %s; " REASON_WAY_OUT,
		   store, damage->segment, damage->segment, place,
		   journal_damage_text(damage->kind), store, store);
}

void reason_not_a_store(struct reason *why, const char *path)
{
	reason_set(why, "%s: not a store; name one", path);
}

void reason_no_snapshot(struct reason *why, const char *store, const char *name)
{
	reason_set(why, "store %s has no snapshot %s; see `mapfs log %s`",
		   store, name, store);
}

void reason_base_gone(struct reason *why, const char *store, const char *base)
{
	reason_set(
		why,
		"store %s: its base %s is gone; put it back, or mount the store with the path it has now: mapfs mount -s %s BASE MOUNTPOINT",
		store, base, store);
}

void reason_commit_open(struct reason *why, const char *store)
{
	reason_set(
		why,
		"store %s has a commit that was interrupted; finish it with `mapfs commit %s` first",
		store, store);
}

void reason_bad_branch(struct reason *why, const char *store)
{
	reason_set(
		why,
		"store %s: a file in its directory branches is damaged; remove it if its branch is gone",
		store);
}

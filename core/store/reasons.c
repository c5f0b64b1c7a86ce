/* SPDX-License-Identifier: MIT */
#include "reasons.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/lib/io.h"
#include "core/lib/le.h"
#include "core/lib/path.h"
#include "layout.h"

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

void reason_copy(struct reason *why, const char *store)
{
	reason_set(
		why,
		"store %s is a copy that was taken while the store was in use: it shows the last sync point that was copied, and what changed later is missing; compare it with the original",
		store);
}

void reason_snapshot_damaged(struct reason *why, const char *store,
			     const char *snapshot, uint64_t segment)
{
	reason_set(
		why,
		"store %s: snapshot %s cannot be shown: segment %" PRIu64
		" (journal/%" PRIu64
		") is missing; restore that file from a copy, or see `mapfs check %s`",
		store, snapshot, segment, segment, store);
}

const char *reason_of_replacing(int err)
{
	switch (err) {
	case -ENOSPC:
		return "no space for the new journal, and nothing was changed; free some space on the store's file system, delete a snapshot, or remove files in the view";
	case -EDQUOT:
		return "the quota has no space for the new journal, and nothing was changed; free some space, delete a snapshot, or remove files in the view";
	default:
		return reason_of(err);
	}
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

/* Where STORE/commit/open has the side that is made true, and that of an undo. */
#define OPEN_SIDE_AT 48
#define OPEN_SIDE_BEFORE 0U

/* For a sentence only, so nothing of the file is verified. */
bool commit_open_is_undo(const char *store)
{
	le32 side = le32_of(OPEN_SIDE_BEFORE + 1);
	char *path;
	int fd;

	if (path_join(&path, store, STORE_COMMIT_OPEN))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	free(path);
	if (fd < 0)
		return false;
	if (io_pread_all(fd, &side, sizeof(side), OPEN_SIDE_AT))
		side = le32_of(OPEN_SIDE_BEFORE + 1);
	close(fd);
	return le32_get(side) == OPEN_SIDE_BEFORE;
}

void reason_commit_open(struct reason *why, const char *store)
{
	if (commit_open_is_undo(store))
		reason_set(
			why,
			"store %s: the undo of a commit was interrupted; finish it with `mapfs commit --undo %s`, or end it as it is with `mapfs commit --abandon %s`, first",
			store, store, store);
	else
		reason_set(
			why,
			"store %s has a commit that was interrupted; finish it with `mapfs commit %s`, undo it with `mapfs commit --undo %s`, or end it as it is with `mapfs commit --abandon %s`, first",
			store, store, store, store);
}

void reason_bad_branch(struct reason *why, const char *store)
{
	reason_set(
		why,
		"store %s: a file in its directory branches is damaged; remove it if its branch is gone",
		store);
}

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_REPLAY_H
#define MAPFS_CORE_JOURNAL_REPLAY_H

/*
 * Replay: the groups of records of a journal are read again, in order.
 *
 * Recovery [D2] [D3]: the newest segment is trusted
 *   up to its last sound group    if its epoch is the present one, or
 *                                 it ends in GROUP_CLOSE;
 *   up to the lsn that its last GROUP_SYNC covers otherwise: groups between
 *   that lsn and the mark itself were appended while the pages were being
 *   flushed, and the pages they name may not have reached the disk.
 * A sound group that lies behind an unsound one is never trusted.  An older
 * segment that ends before the next one begins is damage; so is an unsound
 * group that was durable: a later mark says so, or the bound (bound.h).
 *
 * Lifetime: journal_open() gives the caller the only reference, which
 *           journal_close() ends.
 * Errors:   0 or a negative errno.  -EUCLEAN / -EBADMSG: bytes on disk break
 *           the format / their checksum; -EPROTONOSUPPORT: a newer format;
 *           -ENOENT: no segment at all; or the error of the callback.
 * Locking:  none is held during the callback.
 */
#include "bound.h"
#include "where.h"

struct journal;

/*
 * Called for each group of records; the bytes are valid until it returns.  A
 * negative errno stops the replay, which then returns it.
 */
typedef int (*journal_replay_fn)(void *arg, mapfs_lsn lsn, const void *records,
				 size_t len);

struct journal_replay {
	journal_replay_fn fn;
	/* Or NULL: after all others, the sound groups that are not trusted. */
	journal_replay_fn untrusted;
	void *arg;
	/* What the journal must have; or NULL.  For journal_open() only. */
	const struct journal_bound *bound;
	/* Results of journal_open() */
	uint64_t discarded; /* groups that recovery did not trust */
	bool after_cut;	    /* the page cache was lost while it was in use */
	/* Result: where, if the call returns -EUCLEAN or -EBADMSG. */
	struct journal_damage damage;
};

/*
 * Replays all segments.  `id->uuid` is filled in; `id->epoch` is the present
 * epoch.  read_only: the files are not touched, and journal_start() must not
 * follow.  Otherwise the trusted groups are made durable.
 */
int must_check journal_open(struct journal **out,
			    const struct journal_where *where,
			    struct journal_id *id, bool read_only,
			    struct journal_replay *r);
/*
 * Replays a part of the history, whatever segments follow it, while others may
 * use the journal.  `id->uuid` is filled in.
 */
int must_check journal_replay_history(const struct journal_where *where,
				      struct journal_id *id,
				      const struct journal_history *h,
				      struct journal_replay *r);

#endif

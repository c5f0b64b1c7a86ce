/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_JOURNAL_H
#define MAPFS_CORE_JOURNAL_JOURNAL_H

/*
 * Append-only log of atomic groups of records, in numbered segments.
 *
 * A group is a header (length, kind, lsn, XXH3) and an opaque payload; it is
 * there whole or not at all.  The journal gives meaning only to the kinds:
 *   GROUP_RECORDS  the caller's records
 *   GROUP_SYNC     sync point: all groups up to the lsn it `covers` are
 *                  durable together with the pages they name
 *   GROUP_CLOSE    like SYNC, covers all, and nothing follows in the segment
 *
 * Every opening starts a new segment.  Its header names the store, the first
 * lsn and the *epoch*: what tells "only the daemon died" from "the machine
 * went down" (boot and mount of the store's file system; 32 opaque bytes).
 * A segment counts up to the first lsn of the next, so a tail that recovery
 * gave up is never mistaken for history and nothing is ever overwritten.
 *
 * Recovery [D2] [D3]: the last segment is trusted
 *   up to its last sound group    if its epoch is the present one, or
 *                                 it ends in GROUP_CLOSE;
 *   up to the lsn that its last GROUP_SYNC covers otherwise: groups between
 *   that lsn and the mark itself were appended while the pages were being
 *   flushed, and their own pages may not have made it.
 * A sound group that lies behind an unsound one is never trusted.  An older
 * segment that ends before the next one begins is damage: -EUCLEAN; so is an
 * unsound group that a later mark says had been flushed: -EBADMSG.
 *
 * Calling sequence: journal_create(), or journal_open() with its replay and
 *   then journal_start(); journal_append()* and journal_mark(); in the end
 *   journal_close().  Between open and start the caller makes its own files
 *   durable as far as recovery trusted them (journal_open() did so with the
 *   journal's).  Death anywhere leaves either the old segments or the old and
 *   the new.
 *
 * Lifetime: create/open hand the caller the only reference; journal_close()
 *           ends it and accepts NULL.
 * Errors:   0 or a negative errno.  -EUCLEAN / -EBADMSG: bytes on disk break
 *           the format / their checksum; -EPROTONOSUPPORT: a newer format.
 * Locking:  journal_append() and journal_mark() take RANK_JOURNAL; the caller
 *           keeps journal_compact_*() and journal_flush() apart from each
 *           other (store.sync_lock), and appends away from compaction.
 */
#include "core/lib/types.h"

#define JOURNAL_EPOCH_BYTES 32
#define JOURNAL_UUID_BYTES 16

struct journal;
struct journal_compaction;

enum group_kind {
	GROUP_RECORDS = 1,
	GROUP_SYNC,
	GROUP_CLOSE,
};

struct journal_where {
	int dirfd;	/* directory of segments (borrowed), or of tmpfiles */
	bool ephemeral; /* unlinked files; dirfd < 0: memory; never flushed */
};

struct journal_id {
	uint8_t uuid[JOURNAL_UUID_BYTES];
	uint8_t epoch[JOURNAL_EPOCH_BYTES];
};

/* Return a negative errno to stop the replay with it. */
typedef int (*journal_replay_fn)(void *arg, mapfs_lsn lsn, const void *records,
				 size_t len);

/*
 * A new journal whose first group is `records`; ready for appends.  No segment
 * may exist.
 */
int must_check journal_create(struct journal **out,
			      const struct journal_where *where,
			      const struct journal_id *id, const void *records,
			      size_t len);
/*
 * Reads all segments; calls `fn` for each trusted group of records, in order.
 * `id->uuid` is filled in; `id->epoch` is the present epoch.  read_only: the
 * files are not touched, and journal_start() must not follow.  `discarded`
 * counts groups that recovery did not trust.  -ENOENT: no segment at all.
 */
int must_check journal_open(struct journal **out,
			    const struct journal_where *where,
			    struct journal_id *id, bool read_only,
			    journal_replay_fn fn, void *arg,
			    uint64_t *discarded);
/* Begins the new segment: from now on groups can be appended. */
int must_check journal_start(struct journal *j);
/* Copies `len` bytes in, one atomic group; in the page cache on return [D3]. */
int must_check journal_append(struct journal *j, const void *records,
			      size_t len, mapfs_lsn *lsn);
/*
 * Appends a GROUP_SYNC or GROUP_CLOSE; `covers` was taken with
 * journal_last_lsn() before the pages were flushed, and is the last lsn for
 * GROUP_CLOSE.  Nothing may be appended after that.
 */
int must_check journal_mark(struct journal *j, enum group_kind kind,
			    mapfs_lsn covers);
/* Groups appended so far survive a power cut. */
int must_check journal_flush(struct journal *j);
mapfs_lsn journal_last_lsn(struct journal *j);
/* Where the next group would be: its history, and the last lsn before it. */
void journal_position(struct journal *j, uint64_t *first_segment,
		      uint64_t *last_segment, mapfs_lsn *lsn);
/*
 * Segments that stay although history begins later; asked by journal_start(),
 * compaction and journal_tidy().  `fn` takes no lock.
 */
void journal_set_needs(struct journal *j,
		       bool (*fn)(void *arg, uint64_t segment), void *arg);
/* Removes what is neither history nor needed. */
void journal_tidy(struct journal *j);
/*
 * Reads the segments first .. last up to `upto`, whatever came after them;
 * beside whoever else uses the journal.  `id->uuid` is filled in.
 */
int must_check journal_replay_past(const struct journal_where *where,
				   struct journal_id *id, uint64_t first,
				   uint64_t last, mapfs_lsn upto,
				   journal_replay_fn fn, void *arg);
/* Bytes of all segments that count. */
uint64_t journal_bytes(struct journal *j);

/*
 * Compaction: begin -> append the whole state as groups -> end.  The new
 * segment replaces all others at once: it is written under another name,
 * flushed, renamed, and only then the old ones are removed.  A crash leaves
 * either the old history or the new state (its header says "starts from
 * nothing").  abort, or an end that fails, leaves everything as it was; but
 * when end cannot flush the directory after the rename, nobody knows which of
 * the two counts, and every later append, mark and flush is -EROFS.
 */
int must_check journal_compact_begin(struct journal *j,
				     struct journal_compaction **out);
int must_check journal_compact_append(struct journal_compaction *c,
				      const void *records, size_t len);
int must_check journal_compact_end(struct journal_compaction *c);
void journal_compact_abort(struct journal_compaction *c);

/* Flushes nothing: mark and flush first. */
void journal_close(struct journal *j);

#endif

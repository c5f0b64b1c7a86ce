/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_SNAPSHOT_H
#define MAPFS_CORE_DELTA_SNAPSHOT_H

/*
 * The snapshots of a store: named moments of its journal, and the pages that
 * each of them pins.
 *
 * A snapshot is the delta that a replay of the segments first_segment ..
 * last_segment up to `lsn` gives.  So compaction keeps these segments, and the
 * pages are pinned [P1].  A snapshot belongs to one version of the base: a
 * commit makes a new version, over which an older snapshot would show a mixture
 * that never existed.
 *
 * Lifetime: init/fini for memory the caller owns.  A struct snapshot lives
 *           until its RECORD_SNAPSHOT_GONE.
 * Errors:   0 or a negative errno; -EUCLEAN: the records contradict those
 *           before them.
 * Locking:  overlay.ns_lock: reading to look, writing to change.
 */
#include "core/arena/arena.h"
#include "core/arena/pins.h"
#include "core/lib/uthash_safe.h"
#include "record.h"

struct snapshot {
	struct snapshot *prev;
	struct snapshot *next;
	struct record_snapshot rec; /* its texts are allocated and end in NUL */
	struct arena_pins *pins;
};

/*
 * The undo of a commit restores the bytes and times of a base object, but not
 * its change time, so the object has a new signature.  The store remembers it,
 * so that older snapshots know the object again.
 */
struct new_signature {
	UT_hash_handle hh;
	uint64_t sum;	       /* the key: sig_sum() of the old signature */
	struct record_sig sig; /* the new one */
};

struct snapshots {
	struct new_signature *new_signature;
	struct snapshot *list; /* oldest first */
	struct record_counters counters;
};

void snapshots_init(struct snapshots *s);
/* Drops the pins in `a`, which is closed next; NULL: there are none. */
void snapshots_fini(struct snapshots *s, struct arena *a);
/*
 * Applies a record about snapshots (other types: -EUCLEAN).  Without an arena
 * nothing is pinned.
 */
int must_check snapshots_apply(struct snapshots *s, const struct record *r,
			       struct arena *a, bool replaying);
struct snapshot *snapshots_find(const struct snapshots *s, const char *name);
struct snapshot *snapshots_find_id(const struct snapshots *s, uint64_t id);
/* Does replay of one of them need this segment? */
bool snapshots_need(const struct snapshots *s, uint64_t segment);
/* Does the snapshot show the present version of the base? */
bool snapshots_is_reachable(const struct snapshots *s,
			    const struct snapshot *one);
int must_check snapshots_renew_signature(struct snapshots *s, uint64_t sum,
					 const struct record_sig *sig);
/* The present signature of the object with that sum; NULL: unchanged. */
const struct record_sig *snapshots_signature_now(const struct snapshots *s,
						 uint64_t sum);
/* Adds records that restore all of it; `emit` may empty the group. */
int must_check snapshots_dump(const struct snapshots *s, struct group *g,
			      int (*emit)(void *arg, struct group *g),
			      void *arg);

#endif

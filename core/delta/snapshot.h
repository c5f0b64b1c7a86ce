/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_SNAPSHOT_H
#define MAPFS_CORE_DELTA_SNAPSHOT_H

/*
 * The snapshots of a store: names for moments of its journal, and the pages
 * each of them holds.
 *
 * A snapshot is the delta as replay finds it in the segments first_segment ..
 * last_segment up to `lsn`; so these stay when the journal is compacted, and
 * its pages are pinned [P1].  It belongs to one version of the base: a commit
 * makes a new one, under which older snapshots would show what never was.
 *
 * Lifetime: init/fini for memory the caller owns.  A struct snapshot lives
 *           until its RECORD_SNAPSHOT_GONE.
 * Errors:   0 or a negative errno; -EUCLEAN: the records contradict what they
 *           build on.
 * Locking:  overlay.ns_lock: reading to look, writing to change.
 */
#include "core/arena/arena.h"
#include "core/arena/pins.h"
#include "core/lib/uthash_safe.h"
#include "record.h"

struct snapshot {
	struct snapshot *prev;
	struct snapshot *next;
	struct record_snapshot rec; /* its texts are ours, NUL-terminated */
	struct arena_pins *pins;
};

/*
 * An undo brings a base object's bytes and times back, but not its change
 * time.  So that older snapshots know it again, what it was and what it is
 * now are remembered.
 */
struct new_signature {
	UT_hash_handle hh;
	uint64_t sum; /* the key */
	struct record_sig sig;
};

struct snapshots {
	struct new_signature *new_signature;
	struct snapshot *list; /* oldest first */
	struct record_counters counters;
};

void snapshots_init(struct snapshots *s);
/* `a` is where the pins are, and is closed next; NULL if there are none. */
void snapshots_fini(struct snapshots *s, struct arena *a);
/*
 * RECORD_COUNTERS, RECORD_NEW_SIGNATURE, RECORD_SNAPSHOT, RECORD_SNAPSHOT_GONE, RECORD_PINNED.  Without
 * an arena nothing is pinned.
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
/* What the object with that sum has for a signature now; NULL: the same. */
const struct record_sig *snapshots_signature_now(const struct snapshots *s,
						 uint64_t sum);
/* As records that bring all of it back; `emit` may empty the group. */
int must_check snapshots_dump(const struct snapshots *s, struct group *g,
			      int (*emit)(void *arg, struct group *g),
			      void *arg);

#endif

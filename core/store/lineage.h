/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_LINEAGE_H
#define MAPFS_CORE_STORE_LINEAGE_H

/*
 * The lineage of a branch: its parent, the parent's parent, and so on up.
 *
 *   own arena 0 --> parent's, arena 1 --> its parent's, arena 2 --> ...
 *
 * A branch begins with a record that names a snapshot of its parent.  Replay
 * first applies the delta of that snapshot, read from the parent's journal,
 * with every arena number one higher; that delta may itself begin with a
 * snapshot further up.  Once the journal of the branch was compacted, the
 * whole delta is in there, and only the pages are still the parents'.
 *
 * Lifetime: a zeroed lineage is empty; lineage_open() .. lineage_close().
 *           While it is open, the snapshots are held and cannot be deleted.
 * Errors:   0 or a negative errno and a sentence in `why`.
 * Locking:  none; before threads start and after they ended.
 */
#include "core/delta/snapshot.h"
#include "core/journal/journal.h"
#include "core/lib/reason.h"

struct arena;
struct delta_set;

/* One store up the lineage. */
struct ancestor {
	bool is_trusted; /* set before it is opened */
	char *path;
	int dirfd; /* -1 once it is in the lineage */
	int journalfd;
	int readersfd; /* with our hold on `snapshot`; -1: not writable */
	uint8_t uuid[JOURNAL_UUID_BYTES];
	struct record_snapshot snapshot; /* without texts */
	struct snapshots known;		 /* only its new signatures */
};

struct lineage {
	bool is_trusted; /* as in struct store_options; set before opening */
	bool is_branch;
	struct record_parent parent; /* its path is allocated */
	struct ancestor *up;
	unsigned int count;
	size_t cap; /* of `up` */
};

/* The parent record of a group, if it has one; borrowed from the group. */
int must_check lineage_find_parent(const void *records, size_t len,
				   struct record_parent *out, bool *found);
/*
 * Opens the stores up the lineage from the one that `parent` names, and adds
 * their arenas to `a`; NULL: only checks that they are there.
 */
int must_check lineage_open(struct lineage *l, struct arena *a,
			    const struct record_parent *parent,
			    struct reason *why);
/* Applies the delta of the snapshot that is held of l->up[n]. */
int must_check lineage_load(struct lineage *l, unsigned int n,
			    struct delta_set *set);
/* delta_set_renew_signatures() for every store up the lineage. */
int must_check lineage_renew_signatures(const struct lineage *l,
					struct delta_set *set);
void lineage_close(struct lineage *l);

#endif

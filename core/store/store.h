/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_STORE_H
#define MAPFS_CORE_STORE_STORE_H

/*
 * The store of a copy view: lock, journal and arena as one thing, with the
 * order that makes them durable.
 *
 *   STORE/lock       held (flock) while mounted; says by whom
 *   STORE/journal/N  segments of records
 *   STORE/pages      the arena
 *   STORE/README     for whoever finds the directory
 *
 * Lifetime: store_open() creates or opens, and replays; store_close() ends it
 *           and accepts NULL.
 * Errors:   0 or a negative errno; store_open() also fills a sentence.
 *           [D4] After a failed sync, or when memory and journal came apart,
 *           the store is latched: every change is -EROFS until it is opened
 *           again.
 * Locking:  store_commit() as its delta_set_apply() asks.  store_sync() takes
 *           RANK_SYNC and may be called with nothing held.  A thread of the
 *           store syncs every 5 s while there is something to sync [D2], and
 *           asks for compaction through the callback given to store_start().
 */
#include "core/arena/arena.h"
#include "core/delta/delta.h"
#include "core/delta/record.h"
#include "core/mapfs.h"

struct store;

/* What somebody who opens a store wants with it. */
enum store_use {
	STORE_CHANGE, /* alone; creates it when there is none */
	STORE_LOOK,   /* beside others who look; -EBUSY while it is in use */
	STORE_PAST,   /* a snapshot, beside anybody */
};

struct store_options {
	enum store_use use;
	const char *snapshot; /* STORE_PAST */
	bool is_trusted;      /* whoever made it */
	bool for_commit;      /* an unfinished commit is no obstacle */
	bool for_branch;      /* a new one, of use only once
				 store_dir_finish() was called */
	enum mapfs_store_kind kind;
	const char *path; /* the store; or where unlinked files go */
	const char *base; /* absolute path of the base */
	int base_fd;	  /* root of the base, borrowed */
	struct base_identity base_id; /* what base_fd is; ino 0: without a
					 base, whatever it is */
	const char *mountpoint;	      /* or NULL */
	mapfs_progress_fn progress;   /* or NULL; as in struct mapfs_options */
	void *progress_arg;
};

/* Opens and replays into `set`, whose arena is set here. */
int must_check store_open(struct store **out, const struct store_options *opt,
			  struct delta_set *set, struct reason *why);
/* Starts the store's thread; `ns_lock` keeps changes away in compaction. */
int must_check store_start(struct store *st, struct rwlock *ns_lock);
/*
 * For whoever wants the store next (store_holder.h): it is shown as this file
 * system from now on, or no more and will be closed.
 */
void store_announce_mount(struct store *st, dev_t dev);
void store_announce_close(struct store *st);
/* A last sync, then the end; the error of that sync, or an older one. */
int store_close(struct store *st);

struct arena *store_arena(struct store *st);
/* The directory of a kept store, borrowed; -1: it has none. */
int store_dir_fd(const struct store *st);
/* -EROFS once the store is latched. */
int must_check store_may_change(struct store *st);
/*
 * Journals the group [D3], then applies it. `locked`: delta_set_apply().
 * A group that no replay would take is refused, with an errno of
 * group_verify(), before anything is written, and nothing happened.
 */
int must_check store_commit(struct store *st, const struct group *g,
			    const struct inode *locked);
/* Page bytes changed in place: the next sync has something to do. */
void store_touch(struct store *st);
/* Everything committed and touched before the call survives a power cut. */
int must_check store_sync(struct store *st);
/*
 * Removed pages wait for a sync point [A1]; a change that finds no space must
 * not fail while some wait.  store_made_room() before the change; after
 * -ENOSPC or -EDQUOT (`err`, anything else is no) store_make_room(): true, it
 * is worth one more try.  Syncs only if pages wait.  Takes RANK_SYNC: nothing
 * held.
 */
uint64_t store_made_room(struct store *st);
bool must_check store_make_room(struct store *st, int err, uint64_t made);
void store_info(struct store *st, struct mapfs_info *out);
/*
 * Snapshots (core/snapshot.h).  create and delete: nothing held, and after
 * store_start(); both are durable on return [D1].
 */
int must_check store_snapshot_create(struct store *st, const char *name,
				     const char *message, struct reason *why);
int must_check store_snapshot_delete(struct store *st, const char *name,
				     struct reason *why);
/* What people are told of a name that is no snapshot's. */
void store_say_no_snapshot(const char *store, const char *name,
			   struct reason *why);
/* Without those of commits, which are mapfs's own. */
int must_check store_snapshots_iterate(const struct snapshots *all,
				       mapfs_snapshot_fn fn, void *arg);
/* -ESTALE and a sentence: the base was committed to since. */
int must_check store_snapshot_may_show(const struct snapshots *all,
				       const struct snapshot *one,
				       const char *store, struct reason *why);
/*
 * The delta of a snapshot, into an empty set; `known` says how objects of the
 * base are signed by now.
 */
int must_check store_snapshot_load(struct store *st, const struct snapshot *one,
				   const struct snapshots *known,
				   struct delta_set *into);
/*
 * Keeps syncs and changes away, for store_replace() and what must be true
 * at the same moment.  Takes RANK_SYNC, RANK_NAMESPACE.
 */
void store_lock(struct store *st);
void store_unlock(struct store *st);
/*
 * The delta becomes that of `state` (NULL: empty), whose arena pages must be
 * pinned, and the base version `base_version`; durable on return.  Between
 * store_lock() and store_unlock().  An error before the journal was replaced
 * changes nothing; a later one latches the store.
 */
int must_check store_replace(struct store *st, struct delta_set *state,
			     uint64_t base_version);
/* A base version that was never used. */
uint64_t store_new_base_version(const struct store *st);
/* The base the store was made for.  Beside anybody. */
struct store_base {
	char *path;		 /* allocated */
	struct base_identity id; /* ino 0: unknown */
};
void store_say_no_base(const char *store, const char *base, struct reason *why);
int must_check store_recorded_base(const char *path, struct store_base *out,
				   struct reason *why);

/* Free space where the pages go. */
int must_check store_statfs(struct store *st, struct statvfs *out);

#endif

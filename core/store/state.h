/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_STATE_H
#define MAPFS_CORE_STORE_STATE_H

/*
 * The fields of an open store, for the files of this folder.
 *
 * Lifetime: store_open() to store_close().
 * Errors:   none; a struct.
 * Locking:  each field says by what; "fixed" fields are set before the store
 *           has a second thread.
 */
#include <pthread.h>

#include "core/arena/arena.h"
#include "core/delta/delta.h"
#include "core/journal/journal.h"
#include "anchor.h"
#include "dir.h"
#include "lineage.h"
#include "options.h"
#include "regions.h"

struct store {
	struct store_dir dir;	      /* fixed while open */
	struct journal *journal;      /* fixed while open; NULL: STORE_PAST */
	struct arena *arena;	      /* fixed while open */
	struct anchor anchor;	      /* is_copy fixed after replay; by
				       sync_lock */
	struct delta_set *set;	      /* borrowed */
	struct rwlock *ns_lock;	      /* borrowed; fixed by
				       store_set_ns_lock() */
	char *base;		      /* path of the base; fixed at birth */
	struct base_identity base_id; /* fixed after replay; ino 0: unknown */
	char *warning;		      /* fixed after replay; or NULL */
	struct lineage lineage;	      /* fixed after replay, but for
				       parent.begins; that by sync_lock */
	struct timespec created;      /* fixed after replay */
	struct regions regions;	      /* has its own lock */
	bool was_in_flight; /* fixed by replay: groups that were not trusted
			       say so of pages */
	int64_t idle_s;	    /* after which an overwritten region is settled; by
			   sync_lock */
	bool ephemeral;	    /* fixed at birth */
	uint64_t limit_pages;	    /* fixed at birth; 0: no limit */
	enum store_use use;	    /* fixed at birth */
	mapfs_progress_fn progress; /* fixed at birth; or NULL */
	void *progress_arg;	    /* fixed at birth */
	_Atomic int latched;	    /* the errno that latched it, or 0 */
	_Atomic uint64_t changes;   /* groups appended and pages touched */
	struct rmutex sync_lock;    /* RANK_SYNC */
	uint64_t synced;	    /* value of `changes` that the last sync
				       point covers; by sync_lock */
	uint64_t compacted_bytes;   /* size of the journal after the last
				       compaction; by sync_lock */
	_Atomic uint64_t made_room; /* how often space was released */
	uint64_t tried_bytes;	    /* size of the journal when it was last
				       compacted for room; by sync_lock */
	pthread_t thread;	    /* fixed by store_start() */
	bool has_thread;	    /* of the thread that opens and closes */
	pthread_mutex_t stop_lock;
	pthread_cond_t stop_cond; /* signalled by store_close() */
	bool stopping;		  /* by stop_lock */
};

#endif

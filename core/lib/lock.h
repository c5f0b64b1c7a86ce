/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_LOCK_H
#define MAPFS_CORE_LIB_LOCK_H

/*
 * Ranked locks: a thread only takes a lock ranked above every lock it holds,
 * so no two threads can wait for each other.
 *
 * What each lock protects:
 *   store.sync_lock   one sync point or compaction at a time
 *   overlay.ns_lock   names, and every change of a copy view: namespace
 *                     changes and compaction hold it for writing, changes of
 *                     one file's data or attributes for reading
 *   inode stripe      size, times, attributes, xattrs and page table of the
 *                     inodes that hash to it; one at a time, or all
 *   itable.lock       the table of known inodes, their counts and places
 *   base cache        which descriptors of the base are open
 *   mapping           which windows of one file are mapped
 *   journal           the append position
 *   arena             which pages are taken
 *
 * Order, outermost first: the enum below.  Debug builds keep the thread's
 * held ranks and abort on a step down.
 *
 * Lifetime: init/fini for memory the caller owns.
 * Errors:   none; misuse aborts.
 */
#include <pthread.h>

#include "types.h"

enum lock_rank {
	RANK_FS = 1, /* locks of fs/, taken before the core */
	RANK_SYNC,
	RANK_NAMESPACE,
	RANK_INODE,
	RANK_DIRECT, /* handles of write mode */
	RANK_ITABLE,
	RANK_BASE,
	RANK_MAPPING,
	RANK_JOURNAL,
	RANK_ARENA,
	RANK_LEAF, /* takes nothing further, touches no file */
};

struct rmutex {
	pthread_mutex_t m;
	enum lock_rank rank;
};

struct rwlock {
	pthread_rwlock_t l; /* writers are preferred */
	enum lock_rank rank;
};

void rmutex_init(struct rmutex *m, enum lock_rank rank);
void rmutex_fini(struct rmutex *m);
void rmutex_lock(struct rmutex *m);
void rmutex_unlock(struct rmutex *m);
void rmutex_assert_held(const struct rmutex *m);

void rwlock_init(struct rwlock *l, enum lock_rank rank);
void rwlock_fini(struct rwlock *l);
void rwlock_read(struct rwlock *l);
void rwlock_write(struct rwlock *l);
/*
 * For who takes every lock of a rank, in one fixed order, and holds the lock
 * above them all: nobody else can be doing the same.
 */
void rwlock_write_all(struct rwlock *l);
void rwlock_unlock_all(struct rwlock *l);
/* Ends either kind of hold. */
void rwlock_unlock(struct rwlock *l);

/* Aborts when this thread holds any ranked lock (before a reply). */
void lock_assert_none(void);

#endif

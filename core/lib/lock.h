/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_LOCK_H
#define MAPFS_CORE_LIB_LOCK_H

/*
 * Ranked locks: a thread takes a lock only if its rank is above the ranks of
 * all locks that it holds, so no two threads can wait for each other.
 *
 * What each lock protects:
 *   loop.lock         the number of worker threads, and whether the loop ends
 *   seek_queue.lock   requests of LSEEK that wait for the kernel's pages
 *   lookup_queue.lock lookups that wait for a walk over the base
 *   job_queue.lock    the list of jobs, and the state of each
 *   store.sync_lock   one sync point or compaction at a time
 *   moment_lock       one moment of a delta that is being copied at a time
 *   overlay.ns_lock   names, and every change of a copy view: changes of
 *                     names and compaction hold it for writing, changes of
 *                     one file's data or attributes for reading
 *   delta stripe      size, times, attributes, xattrs and page table of the
 *                     inodes that hash to it; one at a time, or all
 *   handles.lock      the open files and listings of a read or write view
 *   itable.lock       the table of known inodes, their counts and places
 *   fd_cache.lock     which descriptors of the base are open
 *   mapping.lock      which windows of one file are mapped
 *   intent.lock       which regions of the arena may be written in place
 *   journal.lock      the append position
 *   arena.layout      the length of the arena's file
 *   arena.lock        which pages of the arena are taken, pinned or reserved,
 *                     and their sums
 *   base.walk_lock    whether a walk over the base is under way
 *   places.lock       in which base directory an inode was last seen
 *   origins.lock      at which paths of the base a delta's objects are or were
 *   listings.lock     the directory listings that a copy view keeps
 *
 * Order, outermost first; no thread holds two locks of one line:
 *   RANK_FS           loop, seek_queue, lookup_queue, job_queue
 *     RANK_SYNC           store.sync_lock, moment_lock
 *       RANK_NAMESPACE      overlay.ns_lock
 *         RANK_INODE          a delta stripe
 *           RANK_DIRECT         handles.lock
 *             RANK_ITABLE         itable.lock
 *               RANK_BASE           fd_cache.lock
 *                 RANK_MAPPING        mapping.lock
 *                   RANK_INTENT         intent.lock
 *                     RANK_JOURNAL        journal.lock
 *                       RANK_ARENA          arena.layout
 *                         RANK_LEAF           arena.lock, walk_lock, places,
 *                                             origins, listings, and the
 *                                             lock of the copies of a moment
 * Two mutexes have no rank, because nothing is locked under them: stop_lock
 * of a store, which wakes the thread that makes sync points, and the lock of
 * core/lib/fault.c, which any thread may take with any lock held.
 *
 * Unless NDEBUG is defined a thread keeps the ranks that it holds, and aborts
 * on a step down.
 *
 * Lifetime: init/fini for memory the caller owns.
 * Errors:   none; misuse aborts.
 */
#include <pthread.h>
#include <time.h>

#include "types.h"

enum lock_rank {
	RANK_FS = 1, /* locks of fs/; none is held over a call of the core */
	RANK_SYNC,
	RANK_NAMESPACE,
	RANK_INODE,
	RANK_DIRECT, /* handles of write mode */
	RANK_ITABLE,
	RANK_BASE,
	RANK_MAPPING,
	RANK_INTENT,
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
/*
 * Waits for a signal to `wake`; may return without one.  The lock is free
 * during the wait and held again afterwards.  No lock ranked above it may be
 * held, and the thread that signals must not need one that is.
 */
void rmutex_wait(struct rmutex *m, pthread_cond_t *wake);
/* The same, but returns when CLOCK_REALTIME has reached `until`. */
void rmutex_wait_until(struct rmutex *m, pthread_cond_t *wake,
		       const struct timespec *until);

void rwlock_init(struct rwlock *l, enum lock_rank rank);
void rwlock_fini(struct rwlock *l);
void rwlock_read(struct rwlock *l);
void rwlock_write(struct rwlock *l);
/*
 * For a thread that takes every lock of a rank, in a fixed order, and holds
 * the lock above them, so that no other thread can do the same.
 */
void rwlock_write_all(struct rwlock *l);
void rwlock_unlock_all(struct rwlock *l);
/* Ends either kind of hold. */
void rwlock_unlock(struct rwlock *l);

/*
 * Aborts if this thread holds a ranked lock.  For the moment before a reply to
 * the kernel: FORGET or an unmount may arrive before the reply call returns.
 */
void lock_assert_none(void);

#endif

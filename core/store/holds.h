/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_HOLDS_H
#define MAPFS_CORE_STORE_HOLDS_H

/*
 * Holds: a process that reads a snapshot holds it, so that it is not deleted
 * meanwhile.
 *
 * Lifetime: a hold ends with its descriptor, whatever happens to the process.
 * Errors:   0 or a negative errno.  holds_take(): -EAGAIN: the snapshot is
 *           being deleted.  The others: -EBUSY: it is held.
 * Locking:  locks of the open file description (fcntl(2), F_OFD_SETLK), which
 *           never wait; holds_wait() sleeps up to two seconds, and locks
 *           nothing.
 */
#include "core/lib/types.h"

/* Opens the file of holds in the store `dirfd`. */
int must_check holds_open(int dirfd, bool create, int *fd);
int must_check holds_take(int fd, uint64_t snapshot);
/* Nobody else holds the snapshot, or can from now on. */
int must_check holds_exclude(int fd, uint64_t snapshot);
/* ... any snapshot; ends with the descriptor. */
int must_check holds_exclude_all(int fd);
void holds_allow(int fd, uint64_t snapshot);
/*
 * Waits until nobody holds this snapshot (len 1) or any snapshot from it on
 * (len 0): the process that holds it may be about to end.
 */
int must_check holds_wait(int fd, uint64_t snapshot, off_t len);

#endif

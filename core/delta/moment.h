/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_MOMENT_H
#define MAPFS_CORE_DELTA_MOMENT_H

/*
 * The delta as it is at one moment, copied while it changes: whoever copies a
 * million inodes may not stop all changes as long as that takes.
 *
 *   moment_begin()      marks the moment
 *   moment_copy()       hands over all inodes, then all names, in slices
 *   moment_end()
 *
 * In between, each change hands over what it is about to change, unless that
 * was copied already; what is new since the moment is not part of it.  So each
 * inode and name of the moment is handed over exactly once, as it was then.
 *
 * Lifetime: one moment at a time for each set; moment_begin() waits for the
 *           end of another one.
 * Errors:   0 or -ENOMEM.  The functions of a moment keep their own errors:
 *           a change that finds no memory for a copy is made nevertheless.
 * Locking:  moment_begin() to moment_end() hold moment_lock (RANK_SYNC).
 *           moment_begin() and moment_end() take ns_lock for writing, for a few
 *           instructions.
 */
#include "delta.h"

/* `m` is borrowed until moment_end(). */
void moment_begin(struct delta_set *s, const struct moment *m,
		  struct rwlock *ns_lock);
int must_check moment_copy(struct delta_set *s, struct rwlock *ns_lock);
void moment_end(struct delta_set *s, struct rwlock *ns_lock);

#endif

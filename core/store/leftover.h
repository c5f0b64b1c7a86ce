/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_LEFTOVER_H
#define MAPFS_CORE_STORE_LEFTOVER_H

/*
 * Leftovers: directories that are no store because a command was killed while
 * it made or removed one (enum mapfs_leftover).  They are recognised by the
 * files that are in them; a directory with any file that no store has at that
 * point is not a leftover.
 *
 * Lifetime: `dirfd` is borrowed.
 * Errors:   0 or a negative errno.
 * Locking:  none.  The lock of a directory that a running command works on is
 *           held, so who removes a leftover takes the lock first and examines
 *           the directory again.
 */
#include "core/lib/reason.h"
#include "core/mapfs_store.h"

int must_check leftover_find(int dirfd, enum mapfs_leftover *out);
/*
 * Is a directory whose journal cannot be read a store all the same, and not
 * somebody's data under such names?  Nothing but segments is in its journal,
 * and it has the anchor or the README of a store.
 */
bool leftover_is_damaged_store(int dirfd);
/* What it is and what removes it; `path` is for people. */
void leftover_explain(int dirfd, const char *path, enum mapfs_leftover kind,
		      struct reason *why);

#endif

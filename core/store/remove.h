/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_REMOVE_H
#define MAPFS_CORE_STORE_REMOVE_H

/*
 * Removing the files and the directory of a store.
 *
 * Lifetime: `dirfd` is borrowed.
 * Errors:   0 or a negative errno.  -ENOTEMPTY: files that no store has are
 *           in it; they and the directory stay.  -ESTALE: another directory
 *           is at `path` by now, and was left alone.
 * Locking:  the caller has the store's lock.
 */
#include "core/lib/types.h"

int must_check store_remove(int dirfd, const char *path);

#endif

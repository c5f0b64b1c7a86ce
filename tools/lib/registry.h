/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_REGISTRY_H
#define MAPFS_TOOLS_LIB_REGISTRY_H

/*
 * The registry: which kept stores this user has used, so that they are found
 * again.
 *
 *   STATE/stores/H -> /path/of/the/store     a symbolic link for each store
 *
 * STATE is state_place(); H is a hash of the path.  An entry is only a path:
 * whatever is there is opened with the checks that any store gets.  A directory
 * that another user owns or may write to is not used.
 *
 * Lifetime: paths are borrowed until the callback returns.
 * Errors:   0 or a negative errno; registry_add() has none, because a store
 *           that is not in the registry works as any other.
 * Locking:  none; an entry is written in one step.
 */
#include "core/lib/types.h"

/*
 * Adds the store, which may not exist yet.  Nothing is written if the registry
 * lies in `base`, which must not change; NULL: as the store has recorded it.
 */
void registry_add(const char *store, const char *base);
/* The store was removed. */
void registry_drop(const char *store);
/*
 * Calls `fn` for each entry; 1: there is no such store, the entry is removed.
 * Another value ends it and is returned.
 */
int must_check registry_iterate(int (*fn)(void *arg, const char *store),
				void *arg);

#endif

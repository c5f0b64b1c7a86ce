/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_LOST_COMMIT_H
#define MAPFS_CORE_STORE_LOST_COMMIT_H

/*
 * A commit that was interrupted and whose file STORE/commit/open was lost since:
 * the base still has its staging directory, and half of the commit.
 *
 * Lifetime: `dirfd`, the store, and `basefd`, the base, are borrowed.
 * Errors:   none: what cannot be looked at is not found.
 * Locking:  none.  A process that begins or ends a commit meanwhile could make
 *           it look lost, so the store's lock is held, or nobody holds it.
 */
#include "core/lib/reason.h"

/* A base that is one file has the staging directory beside it: not found. */
bool lost_commit_exists(int dirfd, int basefd);
/* `store` is for people. */
void lost_commit_explain(struct reason *why, const char *store);

#endif

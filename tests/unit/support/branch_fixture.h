/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_BRANCH_FIXTURE_H
#define MAPFS_TESTS_UNIT_SUPPORT_BRANCH_FIXTURE_H

/*
 * A branch of a store.
 *
 * Lifetime: the branch is a directory that the test removes.
 * Errors:   as mapfs_branch().
 * Locking:  none.
 */
#include "core/mapfs.h"

/* The store `to` becomes a branch of snapshot `snapshot` of the store `from`. */
int make_branch(const char *from, const char *snapshot, const char *to,
		struct reason *why);

#endif

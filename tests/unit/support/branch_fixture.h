/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_BRANCH_FIXTURE_H
#define MAPFS_TESTS_UNIT_SUPPORT_BRANCH_FIXTURE_H

/*
 * A branch of one's own store.
 *
 * Errors: as mapfs_branch().
 */
#include "core/mapfs.h"

static inline int make_branch(const char *from, const char *snapshot,
			      const char *to, struct reason *why)
{
	const struct mapfs_branch_options opt = {
		.from = from,
		.snapshot = snapshot,
		.to = to,
	};

	return mapfs_branch(&opt, why);
}

#endif

/* SPDX-License-Identifier: MIT */
#include "branch_fixture.h"

int make_branch(const char *from, const char *snapshot, const char *to,
		struct reason *why)
{
	const struct mapfs_branch_options opt = {
		.from = from,
		.snapshot = snapshot,
		.to = to,
	};

	return mapfs_branch(&opt, why);
}

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_REMOUNT_H
#define MAPFS_TOOLS_LIB_REMOUNT_H

/*
 * mount -o remount: other flags for a mount that is there.
 *
 * Lifetime: arguments are borrowed until the call returns.
 * Errors:   0 or a negative errno; what was wrong has been said.
 * Locking:  none.
 */
#include <stdbool.h>

#include "core/lib/types.h"

struct remount_ask {
	const char *base; /* as it was mounted */
	const char *target;
	const char *list; /* the options, "remount" among them */
	bool sloppy;	  /* ignore what is unknown */
	bool is_complete; /* mount(8)'s: what is not in it is not to be */
};

int must_check remount(const struct remount_ask *ask);

#endif

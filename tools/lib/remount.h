/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_REMOUNT_H
#define MAPFS_TOOLS_LIB_REMOUNT_H

/*
 * mount -o remount: gives an existing mount other flags.
 *
 * Lifetime: arguments are borrowed until the call returns.
 * Errors:   0 or a negative errno, after a sentence was printed; -EINVAL: the
 *           options cannot be changed.
 * Locking:  none.
 */
#include <stdbool.h>

#include "core/lib/types.h"

struct remount_ask {
	const char *base; /* as it was mounted */
	const char *target;
	const char *list; /* the options, "remount" among them */
	bool sloppy;	  /* ignore unknown options */
	bool is_complete; /* from mount(8): an option that is missing in the
			     list is to be off */
};

int must_check remount(const struct remount_ask *ask);

#endif

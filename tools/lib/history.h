/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_HISTORY_H
#define MAPFS_TOOLS_LIB_HISTORY_H

/*
 * The snapshots of a target, live or resting, as one list.
 *
 * Lifetime: history_read() fills it, history_fini() ends it and accepts a
 *           zeroed one.
 * Errors:   0 or a negative errno and a sentence in `why`; the list is then
 *           empty.
 * Locking:  none.
 */
#include "target.h"

struct history {
	struct mapfs_snapshot *list; /* oldest first */
	size_t count;
	size_t cap;
};

int must_check history_read(struct history *out, const struct target *t,
			    struct reason *why);
/* The snapshot of that name, or NULL. */
const struct mapfs_snapshot *history_find(const struct history *h,
					  const char *name);
void history_fini(struct history *h);

#endif

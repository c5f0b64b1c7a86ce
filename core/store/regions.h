/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_REGIONS_H
#define MAPFS_CORE_STORE_REGIONS_H

/*
 * The table of regions of an arena, whose states intent.h draws.
 *
 * Lifetime: regions_init() to regions_fini().
 * Errors:   0 or -ENOMEM, and then nothing changed.
 * Locking:  the lock is held for regions_make() and while a field is used.
 */
#include "core/lib/lock.h"

enum region_state {
	REGION_QUIET,	  /* the recorded sums fit, also after a power cut */
	REGION_APPENDED,  /* the record is not durable yet */
	REGION_IN_FLIGHT, /* it is: pages may be overwritten */
};

struct region {
	enum region_state state;
	unsigned int writers; /* that are overwriting pages of it */
	int64_t used_s;	      /* when the last of them ended */
};

struct regions {
	struct rmutex lock;  /* RANK_INTENT */
	struct region *list; /* by number */
	size_t count;
	size_t cap;
	size_t in_flight; /* that are not QUIET */
};

void regions_init(struct regions *r);
/* Makes those below `count` exist, QUIET. */
int must_check regions_make(struct regions *r, size_t count);
void regions_fini(struct regions *r);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIFF_DIFFERENCE_H
#define MAPFS_CORE_DIFF_DIFFERENCE_H

/*
 * In what two objects differ, and in how many bytes and pages.
 *
 * Lifetime: a zeroed struct is no difference; difference_fini() frees it and
 *           leaves it so.
 * Errors:   0 or -ENOMEM.
 * Locking:  none; the caller's.
 */
#include "core/mapfs.h"

struct difference {
	unsigned int what; /* MAPFS_WHAT_... */
	uint64_t pages;
	uint64_t bytes;
	struct mapfs_range *ranges; /* in order, none touches the next */
	size_t range_count;
	size_t range_cap;
};

/* Appends a range without counting it. */
int must_check difference_add_range(struct difference *diff, uint64_t off,
				    uint64_t len);
/* Counts a span as different from end to end. */
int must_check difference_add(struct difference *diff, bool want_ranges,
			      uint64_t off, uint64_t len);
void difference_fini(struct difference *diff);

#endif

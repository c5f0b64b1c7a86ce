/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIFF_COMPARE_H
#define MAPFS_CORE_DIFF_COMPARE_H

/*
 * One object compared with another, or with itself as the other side has it.
 *
 * Lifetime: borrows both objects; the caller ends `out` also on an error.
 * Errors:   0, a negative errno, or what the progress callback returned.
 * Locking:  none held; reading takes the overlay's locks.
 */
#include "difference.h"
#include "object.h"

int must_check objects_compare(struct differ *d, const struct diff_object *a,
			       const struct diff_object *b,
			       struct difference *out);

#endif

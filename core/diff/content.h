/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIFF_CONTENT_H
#define MAPFS_CORE_DIFF_CONTENT_H

/*
 * The bytes of two files, compared where they can differ.
 *
 * Lifetime: borrows both objects.
 * Errors:   0, a negative errno, or what the progress callback returned.
 *           -ESTALE, -ENOENT: the base lost the file meanwhile.
 * Locking:  none held; reading takes the overlay's locks.
 */
#include "difference.h"
#include "object.h"

/* Adds to `out`, in which MAPFS_WHAT_CONTENT is set if a byte differs. */
int must_check content_compare(struct differ *d, const struct diff_object *a,
			       const struct diff_object *b,
			       struct difference *out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_ARRAY_H
#define MAPFS_CORE_LIB_ARRAY_H

/*
 * Growable arrays of any type of element.  The caller keeps three fields: a
 * pointer to the elements, their count, and the capacity, which only this
 * file changes.  All zero is an empty array.
 *
 *	struct list {
 *		struct item *items;
 *		size_t count;
 *		size_t cap;
 *	};
 *
 *	err = array_reserve(&l->items, &l->cap, l->count + 1);
 *	if (err)
 *		return err;
 *	l->items[l->count++] = item;
 *
 * utarray.h of uthash does not fit: without memory it ends the process, or,
 * when that is overridden, has already recorded the larger capacity; and its
 * elements have no type.
 *
 * Lifetime: the elements belong to the caller, who frees them with free(3).
 *           A successful call may move them: pointers to them are then stale.
 * Errors:   -ENOMEM; the array is then as it was before.
 * Locking:  none; the caller's.
 */
#include "types.h"

/*
 * Makes room for at least `want` elements.  `array` is the address of the
 * pointer to the elements, of any type.  The capacity at least doubles, so
 * appending one element at a time costs linear time.
 */
#define array_reserve(array, cap, want) \
	array_reserve_bytes((array), sizeof(**(array)), (cap), (want))

int must_check array_reserve_bytes(void *array, size_t element_bytes,
				   size_t *cap, size_t want);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_REVERT_APPLY_H
#define MAPFS_CORE_OVERLAY_REVERT_APPLY_H

/*
 * The delta after a revert.
 *
 * Errors:   0 or a negative errno.
 * Locking:  store_lock() is held, as it was when the set was decided.
 */
#include "revert_set.h"

/*
 * Adds the records that change the live delta into that; their number grows
 * with what is reverted.
 */
int must_check revert_group(const struct revert_set *set, struct group *g);
/*
 * Fills `state`, an empty set without an arena: the same delta from nothing,
 * for a revert of most of it.
 */
int must_check revert_apply(const struct revert_set *set,
			    struct delta_set *state);

#endif

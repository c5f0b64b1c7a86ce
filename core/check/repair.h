/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_CHECK_REPAIR_H
#define MAPFS_CORE_CHECK_REPAIR_H

/*
 * A new store from what a check found sound.
 *
 * Lifetime: none.
 * Errors:   0 or a negative errno and a sentence in the check's reason.
 *           -EBUSY: the store is in use, or a commit of it is unfinished;
 *           -EUCLEAN: no state of it is sound.
 * Locking:  none; one thread.
 */
#include "ctx.h"

/* After a check that came to its end; `to` is a new or an empty directory. */
int must_check repair_into(struct check_ctx *c, const char *to);

#endif

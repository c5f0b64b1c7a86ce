/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_STATE_H
#define MAPFS_TOOLS_LIB_STATE_H

/*
 * Places where programs keep their state.
 *
 * Lifetime: nothing is kept.
 * Errors:   0 or a negative errno.
 * Locking:  none.
 */
#include <stdbool.h>

#include "core/lib/types.h"

/*
 * Would `path` lie in the directory `base`, an absolute path without links?
 * The longest part of it that exists decides.
 */
bool state_is_in(const char *path, const char *base);
/* Makes the directories above `path`; a later use of it tells of errors. */
void state_make_parents(char *path);
/*
 * The directory in which mapfs keeps what it knows, as a path that the caller
 * frees; it may not exist.  -ENOENT: the environment names none.
 */
int must_check state_place(char **out);

#endif

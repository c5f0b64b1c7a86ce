/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_CHECKPOINT_H
#define MAPFS_TOOLS_LIB_CHECKPOINT_H

/*
 * Where an interrupted `mapfs check` stopped, so that the next one continues
 * there:
 *
 *   STATE/check/UUID-LSN      numbers as text, one in a line
 *
 * STATE is state_place().  A check of a store that has changed since starts
 * from the beginning, because its lsn is another one.
 *
 * Lifetime: the caller frees position->bad.
 * Errors:   0 or a negative errno; -ENOENT: there is none.
 * Locking:  none; an entry is written in one step.
 */
#include "core/mapfs.h"

int must_check checkpoint_read(const struct mapfs_check_result *of,
			       struct mapfs_check_position *out);
int must_check checkpoint_write(const struct mapfs_check_result *of);
void checkpoint_drop(const struct mapfs_check_result *of);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIFF_CANDIDATES_H
#define MAPFS_CORE_DIFF_CANDIDATES_H

/*
 * The names at which the sides may differ are added to the comparison.
 *
 * Lifetime: sides and directories are loaded.
 * Errors:   0 or a negative errno; -EUCLEAN: a delta contradicts itself.
 * Locking:  none; one thread.
 */
#include "tree.h"

int must_check diff_candidates_find(struct differ *d);
/*
 * Does the entry of a directory above stand for everything in this one?  To be
 * called after diff_candidates_find().
 */
int must_check dir_is_covered(struct differ *d, struct diff_dir *dir,
			      bool *covered);

#endif

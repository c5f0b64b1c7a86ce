/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIFF_LINKS_H
#define MAPFS_CORE_DIFF_LINKS_H

/*
 * The names of a changed file that only the base knows are added to the
 * comparison.
 *
 * Lifetime: to be called after diff_candidates_find().
 * Errors:   0 or a negative errno.
 * Locking:  none; one thread.
 */
#include "tree.h"

int must_check diff_links_find(struct differ *d);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIFF_RENAMES_H
#define MAPFS_CORE_DIFF_RENAMES_H

/*
 * Files that were renamed: sets `from` and `is_source` of their names.
 *
 * Lifetime: to be called after diff_links_find(), when all names are there.
 * Errors:   0 or a negative errno.
 * Locking:  none; one thread.
 */
#include "tree.h"

int must_check diff_renames_find(struct differ *d);

#endif

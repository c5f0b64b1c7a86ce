/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_DIFF_HUNKS_H
#define MAPFS_TOOLS_DIFF_HUNKS_H

/*
 * The lines in which two files differ, as diff(1) finds them.
 *
 * Lifetime: descriptors are borrowed; -1 stands for a file that is not there.
 * Errors:   0 or a negative errno; -ENOENT: there is no diff(1).
 */
#include "core/lib/types.h"

/* The two lines of `head` and the hunks to stdout; nothing if there are none. */
int must_check diff_hunks_print(int old_fd, int new_fd, const char *head);

#endif

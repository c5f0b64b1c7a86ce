/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_DIFF_HUNKS_H
#define MAPFS_TOOLS_DIFF_HUNKS_H

/*
 * The lines in which two files differ, as diff(1) finds them.
 *
 * Lifetime: descriptors are borrowed.
 * Errors:   0 or a negative errno; -ENOENT: diff(1) is not installed.
 * Locking:  none.
 */
#include "core/lib/types.h"

/*
 * Prints the two lines of `head` and the hunks to stdout; nothing if the files
 * are equal.  A descriptor of -1 stands for a file that does not exist.
 */
int must_check diff_hunks_print(int old_fd, int new_fd, const char *head);

#endif

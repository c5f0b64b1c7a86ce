/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_TREE_TEXT_H
#define MAPFS_TESTS_UNIT_SUPPORT_TREE_TEXT_H

/*
 * A tree as text, so that two trees can be compared as strings: a line for
 * each object with everything but atime, ctime and inode number.  A view is
 * read through core/mapfs.h, a directory with system calls.
 *
 * Lifetime: the text is the caller's, who frees it.
 * Errors:   failed assertions.
 * Locking:  one thread.
 */
#include "core/mapfs.h"

char *tree_text_of_dir(const char *path);
char *tree_text_of_view(struct mapfs_view *v);
/* Prints the first line that differs, and fails. */
void assert_same_text(const char *want, const char *got, const char *what);

#endif

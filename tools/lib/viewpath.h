/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_VIEWPATH_H
#define MAPFS_TOOLS_LIB_VIEWPATH_H

/*
 * Paths in a view that is open in this process: relative to its root, "" is
 * the root, symbolic links are never followed.
 *
 * Lifetime: an entry that was looked up is counted, until viewpath_put();
 *           strings are the caller's to free.
 * Errors:   0 or a negative errno; -ENOTDIR, -ELOOP: something on the way is
 *           a file, a symbolic link.
 */
#include "core/mapfs.h"

int must_check viewpath_lookup(struct mapfs_view *view, const char *path,
			       struct mapfs_entry *out);
void viewpath_put(struct mapfs_view *view, const struct mapfs_entry *entry);
/* "./a//b/" is "a/b"; -EINVAL for one that has ".." in it. */
int must_check viewpath_normalize(const char *path, char **out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_VIEWPATH_H
#define MAPFS_TOOLS_LIB_VIEWPATH_H

/*
 * Paths in a view that this process has opened: relative to its root, "" is
 * the root.  Symbolic links are not followed.
 *
 * Lifetime: viewpath_lookup() counts the entry, until viewpath_put();
 *           viewpath_normalize() gives a string to the caller, who frees it.
 * Errors:   0 or a negative errno; -ENOTDIR, -ELOOP: a component that is not
 *           the last is a file, or a symbolic link.  On an error the result
 *           is not touched.
 * Locking:  none.
 */
#include "core/mapfs.h"

int must_check viewpath_lookup(struct mapfs_view *view, const char *path,
			       struct mapfs_entry *out);
void viewpath_put(struct mapfs_view *view, const struct mapfs_entry *entry);
/* "./a//b/" becomes "a/b"; -EINVAL for a path that has ".." in it. */
int must_check viewpath_normalize(const char *path, char **out);

#endif

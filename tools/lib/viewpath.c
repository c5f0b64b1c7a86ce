/* SPDX-License-Identifier: MIT */
#include "viewpath.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void viewpath_put(struct mapfs_view *view, const struct mapfs_entry *entry)
{
	if (entry->attr.ino != mapfs_root_ino(view))
		mapfs_forget(view, entry->attr.ino, 1);
}

static int root_entry(struct mapfs_view *view, struct mapfs_entry *out)
{
	struct mapfs_attr attr;
	int err =
		mapfs_getattr(view, mapfs_file_of(mapfs_root_ino(view)), &attr);

	if (!err)
		*out = (struct mapfs_entry){ .attr = attr };
	return err;
}

int viewpath_lookup(struct mapfs_view *view, const char *path,
		    struct mapfs_entry *out)
{
	struct mapfs_entry next;
	struct mapfs_entry at;
	char name[NAME_MAX + 1];
	int err = root_entry(view, &at);

	while (!err && *path) {
		size_t n = strcspn(path, "/");

		if (n > NAME_MAX)
			err = -ENAMETOOLONG;
		else if (S_ISLNK(at.attr.mode))
			err = -ELOOP;
		else if (!S_ISDIR(at.attr.mode))
			err = -ENOTDIR;
		if (!err) {
			memcpy(name, path, n);
			name[n] = '\0';
			err = mapfs_lookup(view, at.attr.ino, name, &next);
		}
		viewpath_put(view, &at);
		if (err)
			return err;
		at = next;
		path += n;
		path += *path == '/';
	}
	if (!err)
		*out = at;
	return err;
}

int viewpath_normalize(const char *path, char **out)
{
	char *all = calloc(1, strlen(path) + 1);
	char *to = all;

	if (!all)
		return -ENOMEM;
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && strncmp(path, "..", 2) == 0) {
			free(all);
			return -EINVAL;
		}
		if (n > 0 && !(n == 1 && *path == '.')) {
			if (to != all)
				*to++ = '/';
			memcpy(to, path, n);
			to += n;
		}
		path += n;
		path += *path == '/';
	}
	*to = '\0';
	*out = all;
	return 0;
}

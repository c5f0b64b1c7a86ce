/* SPDX-License-Identifier: MIT */
/*
 * A mark is about the layers below only, wherever it stands among the entries
 * of its own layer; so an object that this layer has written stays.
 */
#include "whiteout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/path.h"
#include "format.h"
#include "tools/lib/progress.h"
#include "tools/lib/viewdir.h"
#include "tools/lib/viewpath.h"

static int name_remove(struct layer_apply *l, mapfs_ino dir, const char *name,
		       int depth);

static int dir_empty(struct layer_apply *l, mapfs_ino dir, int depth)
{
	struct viewdir n;
	int err;

	if (depth > LAYER_DEPTH_MOST)
		return -ENAMETOOLONG;
	err = viewdir_read(&n, l->view, dir);
	if (err)
		return err;
	for (size_t i = 0; i < n.count && !err; i++)
		err = name_remove(l, dir, n.names[i].name, depth);
	viewdir_fini(&n);
	return err;
}

/* Removes an object and all that is below it. */
static int name_remove(struct layer_apply *l, mapfs_ino dir, const char *name,
		       int depth)
{
	struct mapfs_entry e;
	int err;

	/* One mark may remove a tree as large as the base. */
	if (progress_interrupted())
		return -EINTR;
	err = mapfs_lookup(l->view, dir, name, &e);
	if (err)
		return err;
	if (S_ISDIR(e.attr.mode)) {
		err = dir_empty(l, e.attr.ino, depth + 1);
		if (!err)
			err = mapfs_rmdir(l->view, dir, name);
	} else {
		err = mapfs_unlink(l->view, dir, name);
	}
	viewpath_put(l->view, &e);
	return err;
}

static int lower_clear(struct layer_apply *l, const char *path, mapfs_ino dir,
		       int depth);

/*
 * Removes what the layers below have at `path`.  What this layer has written
 * stays; of a directory, older names below it are removed.
 */
static int lower_remove(struct layer_apply *l, const char *path, mapfs_ino dir,
			const char *name, int depth)
{
	struct mapfs_entry e;
	int err;

	if (!layer_seen_has(l, path))
		return name_remove(l, dir, name, depth);
	err = mapfs_lookup(l->view, dir, name, &e);
	if (err)
		return err;
	if (!S_ISDIR(e.attr.mode)) {
		viewpath_put(l->view, &e);
		return 0;
	}
	err = layer_time_keep(l, &e);
	return err ? err : lower_clear(l, path, e.attr.ino, depth + 1);
}

/* The same for all names of a directory. */
static int lower_clear(struct layer_apply *l, const char *path, mapfs_ino dir,
		       int depth)
{
	struct viewdir n;
	int err;

	if (depth > LAYER_DEPTH_MOST)
		return -ENAMETOOLONG;
	err = viewdir_read(&n, l->view, dir);
	if (err)
		return err;
	for (size_t i = 0; i < n.count && !err; i++) {
		const char *name = n.names[i].name;
		char *child = NULL;

		err = path_join(&child, path, name);
		if (!err)
			err = lower_remove(l, child, dir, name, depth);
		free(child);
	}
	viewdir_fini(&n);
	return err;
}

int layer_remove(struct layer_apply *l, mapfs_ino dir, const char *name)
{
	return name_remove(l, dir, name, 0);
}

int layer_whiteout_apply(struct layer_apply *l, const char *parent,
			 mapfs_ino dir, const char *mark)
{
	const char *name = mark + strlen(LAYER_WHITEOUT);
	char *path;
	int err;

	if (strcmp(mark, LAYER_OPAQUE) == 0)
		return lower_clear(l, parent, dir, 0);
	if (strncmp(mark, LAYER_META, strlen(LAYER_META)) == 0)
		return 0;
	err = path_join(&path, parent, name);
	if (err)
		return err;
	err = lower_remove(l, path, dir, name, 0);
	free(path);
	return err == -ENOENT ? 0 : err;
}

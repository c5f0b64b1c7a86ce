/* SPDX-License-Identifier: MIT */
/*
 * A layer cannot be written in the order of the differences:
 *
 *    a renamed directory   is a whiteout at the old path, and all that is
 *                          below it at the new one
 *    a hard link           needs all names of the file, unchanged ones too: a
 *                          layer can only link to a file of its own
 *    a changed name        needs the directories above it, for their times
 *
 * So all items are collected first, and named and sorted afterwards.
 */
#include "collect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/path.h"
#include "attributes.h"
#include "format.h"
#include "tools/lib/progress.h"
#include "tools/lib/text.h"
#include "tools/lib/viewdir.h"
#include "tools/lib/viewpath.h"

static struct layer_item *item_add(struct layer_write *l, const char *path)
{
	size_t n = strlen(path);
	struct layer_item *it = layer_item_find(l, path);

	if (it)
		return it;
	it = calloc(1, sizeof(*it) + n + 1);
	if (!it)
		return NULL;
	memcpy(it->path, path, n);
	HASH_ADD_STR(l->items, path, it);
	return it;
}

/* The directory of a path, "" for the root; the caller frees it. */
static char *path_above(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strndup(path, slash ? (size_t)(slash - path) : 0);
}

static int group_note(struct layer_write *l, const struct mapfs_attr *attr)
{
	struct layer_links *g;

	if (S_ISDIR(attr->mode) || attr->nlink < 2)
		return 0;
	HASH_FIND(hh, l->groups, &attr->ino, sizeof(attr->ino), g);
	if (!g) {
		g = calloc(1, sizeof(*g));
		if (!g)
			return -ENOMEM;
		g->ino = attr->ino;
		g->nlink = attr->nlink;
		HASH_ADD(hh, l->groups, ino, sizeof(g->ino), g);
	}
	g->known++;
	return 0;
}

/* Adds the object that the view has at `path`. */
static int object_add(struct layer_write *l, const char *path,
		      struct layer_item **out)
{
	struct layer_item *it = item_add(l, path);
	struct mapfs_entry e;
	int err;

	if (!it)
		return -ENOMEM;
	*out = it;
	if (it->attr.ino)
		return 0;
	err = viewpath_lookup(l->view, path, &e);
	if (err)
		return err;
	it->is_object = true;
	it->attr = e.attr;
	viewpath_put(l->view, &e);
	if (S_ISREG(it->attr.mode))
		l->all_bytes += it->attr.size_bytes;
	return group_note(l, &it->attr);
}

/* Calls fn with the path of each name in a directory. */
static int children_iterate(struct layer_write *l, const char *path,
			    int (*fn)(struct layer_write *l, const char *path,
				      int depth),
			    int depth)
{
	struct mapfs_entry dir;
	struct viewdir c;
	int err = viewpath_lookup(l->view, path, &dir);

	if (err)
		return err;
	err = viewdir_read(&c, l->view, dir.attr.ino);
	viewpath_put(l->view, &dir);
	for (size_t i = 0; i < c.count && !err; i++) {
		char *child = NULL;

		err = path_join(&child, path, c.names[i].name);
		if (!err)
			err = fn(l, child, depth);
		free(child);
	}
	viewdir_fini(&c);
	return err;
}

static int tree_add(struct layer_write *l, const char *path, int depth)
{
	struct layer_item *it;
	int err = object_add(l, path, &it);

	if (err || !S_ISDIR(it->attr.mode) || it->is_whole)
		return err;
	it->is_whole = true;
	return depth > LAYER_DEPTH_MOST ?
		       -ENAMETOOLONG :
		       children_iterate(l, path, tree_add, depth + 1);
}

static int whiteout_add(struct layer_write *l, const char *path)
{
	struct layer_item *it = item_add(l, path);

	if (it)
		it->is_gone = true;
	return it ? 0 : -ENOMEM;
}

/*
 * A renamed object is added at its new path.  The layer deletes the old one
 * only if it contains all of the object.
 */
static int renamed_add(struct layer_write *l, const struct mapfs_diff_entry *e)
{
	enum mapfs_held held;
	struct mapfs_entry entry;
	int err = viewpath_lookup(l->view, e->path, &entry);

	if (err)
		return err;
	err = mapfs_held(l->view, entry.attr.ino, &held);
	viewpath_put(l->view, &entry);
	if (!err && held == MAPFS_HELD_ALL)
		err = whiteout_add(l, e->old_path);
	else if (!err && S_ISDIR(entry.attr.mode))
		layer_partial_say(l, e->path,
				  "renamed, with all objects that are in it");
	return err ? err : tree_add(l, e->path, 0);
}

static int difference_add(void *arg, const struct mapfs_diff_entry *e)
{
	struct layer_write *l = arg;
	struct layer_item *it;
	int err;

	if (progress_interrupted())
		return -EINTR;
	if (e->change != MAPFS_DELETED && !S_ISDIR(e->new_side.mode) &&
	    layer_lost_is_removed(l->lost, e->path))
		return 0;
	switch (e->change) {
	case MAPFS_RETYPED:
		/* Without the base it is not known what the new directory
		   hides: nothing of that may show. */
		err = !l->has_base && S_ISDIR(e->new_side.mode) ?
			      whiteout_add(l, e->path) :
			      0;
		return err ? err : object_add(l, e->path, &it);
	case MAPFS_ADDED:
	case MAPFS_MODIFIED:
		return object_add(l, e->path, &it);
	case MAPFS_DELETED:
		return whiteout_add(l, e->old_path);
	case MAPFS_RENAMED:
		return renamed_add(l, e);
	}
	abort();
}

static bool group_is_complete(const struct layer_write *l)
{
	for (struct layer_links *g = l->groups; g; g = g->hh.next) {
		if (g->known < g->nlink)
			return false;
	}
	return true;
}

/* Adds all names of the files that the layer has under one of them. */
static int links_find(struct layer_write *l, const char *path, int depth)
{
	struct mapfs_entry e;
	struct layer_links *g;
	struct layer_item *it;
	int err;

	if (depth > LAYER_DEPTH_MOST)
		return -ENAMETOOLONG;
	if (progress_interrupted())
		return -EINTR;
	err = viewpath_lookup(l->view, path, &e);
	if (err)
		return err;
	viewpath_put(l->view, &e);
	if (S_ISDIR(e.attr.mode))
		return children_iterate(l, path, links_find, depth + 1);
	HASH_FIND(hh, l->groups, &e.attr.ino, sizeof(e.attr.ino), g);
	return g ? object_add(l, path, &it) : 0;
}

/* Adds the directory that holds a name, unless that was deleted. */
static int parent_add(struct layer_write *l, const char *path)
{
	char *above = path_above(path);
	struct mapfs_entry e;
	struct layer_item *dir;
	int err = above ? viewpath_lookup(l->view, above, &e) : -ENOMEM;

	if (!err) {
		viewpath_put(l->view, &e);
		if (S_ISDIR(e.attr.mode))
			err = object_add(l, above, &dir);
	} else if (err == -ENOENT || err == -ENOTDIR || err == -ELOOP) {
		err = 0;
	}
	free(above);
	return err;
}

/* A directory is added behind the others, so this loop reaches it, too. */
static int parents_add(struct layer_write *l)
{
	int err = 0;

	for (struct layer_item *it = l->items; it && !err; it = it->hh.next) {
		if (*it->path)
			err = parent_add(l, it->path);
	}
	return err;
}

/* A directory that replaced an object hides all of it, so it is whole. */
static int replaced_add(struct layer_write *l)
{
	for (struct layer_item *it = l->items; it; it = it->hh.next) {
		int err = 0;

		if (it->is_gone && it->is_object && S_ISDIR(it->attr.mode))
			err = tree_add(l, it->path, 0);
		if (err)
			return err;
	}
	return 0;
}

/* A whole directory may replace one of the base; the topmost is opaque. */
static int opaque_mark(struct layer_write *l)
{
	for (struct layer_item *it = l->items; it; it = it->hh.next) {
		char *above = path_above(it->path);
		const struct layer_item *up =
			above ? layer_item_find(l, above) : NULL;

		if (!above)
			return -ENOMEM;
		it->is_opaque = it->is_whole && !(up && up->is_whole);
		free(above);
	}
	return 0;
}

static int go_on(void *arg, uint64_t done_bytes)
{
	(void)arg;
	(void)done_bytes;
	return progress_interrupted() ? -EINTR : 0;
}

static int items_collect(struct layer_write *l)
{
	const struct mapfs_diff_options opt = {
		.want_tree = true,
		.progress = go_on,
	};
	int err = l->has_base ? layer_lost_find(l->view, &l->lost) : 0;

	if (!err)
		err = mapfs_diff(NULL, l->view, &opt, difference_add, l);
	if (!err)
		err = replaced_add(l);
	if (!err && !group_is_complete(l))
		err = links_find(l, "", 0);
	if (!err)
		err = opaque_mark(l);
	/* Without the base, the view may not know the directories above. */
	if (!err && l->has_base)
		err = parents_add(l);
	return err;
}

/*
 * Needs the whiteout of this path no entry?  So it is where the layer replaces
 * or deletes a directory above it.
 */
static bool is_covered(struct layer_write *l, const struct layer_item *it)
{
	char *path = strdup(it->path);
	bool found = false;
	char *slash;

	while (path && !found && (slash = strrchr(path, '/'))) {
		const struct layer_item *up;

		*slash = '\0';
		up = layer_item_find(l, path);
		found = up && (!up->is_object || up->is_whole ||
			       !S_ISDIR(up->attr.mode));
	}
	free(path);
	return found;
}

/* Gives an item its name in the tar; 1: it is not written. */
static int item_name(struct layer_write *l, struct layer_item *it)
{
	const char *slash = strrchr(it->path, '/');
	const char *last = slash ? slash + 1 : it->path;
	size_t above = (size_t)(last - it->path);

	if (strncmp(last, LAYER_WHITEOUT, strlen(LAYER_WHITEOUT)) == 0) {
		say("%s: a layer cannot have a name that begins with %s; "
		    "rename it",
		    it->path, LAYER_WHITEOUT);
		l->is_said = true;
		return -EINVAL;
	}
	/* A root that belongs to the view alone is no part of the layer. */
	if (!*it->path && layer_root_is_fixed(l->view))
		return 0;
	if (it->is_object) {
		it->name = strdup(*it->path ? it->path : ".");
		return it->name ? 0 : -ENOMEM;
	}
	if (is_covered(l, it))
		return 1;
	if (asprintf(&it->name, "%.*s%s%s", (int)above, it->path,
		     LAYER_WHITEOUT, last) < 0) {
		it->name = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* Items that are not written have no name, and are last. */
static int by_name(const struct layer_item *a, const struct layer_item *b)
{
	if (!a->name || !b->name)
		return !a->name - !b->name;
	return strcmp(a->name, b->name);
}

static int items_sort(struct layer_write *l)
{
	int err = 0;

	for (struct layer_item *it = l->items; it && err >= 0; it = it->hh.next)
		err = item_name(l, it);
	HASH_SORT(l->items, by_name);
	return err < 0 ? err : 0;
}

int layer_collect(struct layer_write *l)
{
	int err = items_collect(l);

	return err ? err : items_sort(l);
}

/* SPDX-License-Identifier: MIT */
/*
 * From an inode back to a path.  The delta knows the names it has given; an
 * inode that has none of those is where it is in the base, below directories
 * that may themselves have been renamed.  So the way up is taken step by
 * step, asking the delta first each time.
 */
#include "overlay_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MOST 2048 /* of PATH_MAX: a way longer than that is no path */

/* A path that grows at its front. */
struct way {
	char text[PATH_MAX];
	size_t start;
};

static int way_prepend(struct way *w, const char *name)
{
	size_t len = strlen(name);

	if (len + 1 > w->start)
		return -ENAMETOOLONG;
	w->start -= len + 1;
	memcpy(w->text + w->start, name, len);
	w->text[w->start + len] = '/';
	return 0;
}

struct name_search {
	mapfs_ino ino;
	const struct dentry *found;
};

static int is_it(void *arg, const struct dentry *d)
{
	struct name_search *s = arg;

	if (d->ino != s->ino)
		return 0;
	s->found = d;
	return 1;
}

/* Prepends a name of the inode; `*up` is what that is in. ns_lock held. */
static int step_up(struct overlay *o, mapfs_ino ino, struct way *w,
		   mapfs_ino *up)
{
	struct name_search s = { .ino = ino };
	struct inode *parent = NULL;
	char name[NAME_MAX + 1];
	struct inode *i;
	char *path;
	int err;

	if (namespace_iterate(&o->set.names, is_it, &s) == 1) {
		*up = s.found->dir;
		return way_prepend(w, s.found->name);
	}
	i = itable_get(o->itable, ino);
	if (!i)
		return -ENOENT;
	err = inode_place(o->itable, i, &parent, name);
	if (!err) {
		*up = parent->ino;
		(void)inode_put(o->itable, parent);
		err = way_prepend(w, name);
	} else if (err == -ENAMETOOLONG) {
		/* As a replay left it: all the way from the root. */
		err = inode_base_path(o->itable, i, &path);
		if (!err) {
			*up = o->view.root_ino;
			err = way_prepend(w, path);
			free(path);
		}
	}
	(void)inode_put(o->itable, i);
	return err == -ESTALE ? -ENOENT : err;
}

int overlay_find_path(struct mapfs_view *v, mapfs_ino ino, char **out)
{
	struct overlay *o = overlay_of(v);
	struct way w = { .start = PATH_MAX - 1 };
	int err = 0;

	rwlock_read(&o->ns_lock);
	for (int depth = 0; !err && ino != v->root_ino; depth++)
		err = depth < DEPTH_MOST ? step_up(o, ino, &w, &ino) :
					   -ENAMETOOLONG;
	rwlock_unlock(&o->ns_lock);
	if (err)
		return err;
	/* The last '/' ends the text. */
	if (w.start < PATH_MAX - 1)
		w.text[PATH_MAX - 2] = '\0';
	*out = strdup(w.text + w.start);
	return *out ? 0 : -ENOMEM;
}

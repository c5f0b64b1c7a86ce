/* SPDX-License-Identifier: MIT */
/*
 * From an inode back to a path.  The delta knows the names that the view gave
 * to an inode; an inode without such a name is where it is in the base, below
 * directories that may have been renamed in the view.  So each step upwards
 * asks the delta first.
 */
#include "path.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "inode.h"

#define DEPTH_MAX 2048 /* PATH_MAX has room for no more names */

/* A path that grows at its front. */
struct path {
	char text[PATH_MAX];
	size_t start;
};

static int path_prepend(struct path *p, const char *name)
{
	size_t len = strlen(name);

	if (len + 1 > p->start)
		return -ENAMETOOLONG;
	p->start -= len + 1;
	memcpy(p->text + p->start, name, len);
	p->text[p->start + len] = '/';
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

/* Prepends a name of the inode; *up is the directory. ns_lock held. */
static int step_up(struct overlay *o, mapfs_ino ino, struct path *p,
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
		return path_prepend(p, s.found->name);
	}
	i = itable_get(o->itable, ino);
	if (!i)
		return -ENOENT;
	err = inode_place(o->itable, i, &parent, name);
	if (!err) {
		*up = parent->ino;
		(void)inode_put(o->itable, parent);
		err = path_prepend(p, name);
	} else if (err == -ENAMETOOLONG) {
		/* After a replay an inode knows its whole path at once. */
		err = inode_base_path(o->itable, i, &path);
		if (!err) {
			*up = o->view.root_ino;
			err = path_prepend(p, path);
			free(path);
		}
	}
	(void)inode_put(o->itable, i);
	return err == -ESTALE ? -ENOENT : err;
}

int overlay_find_path(struct mapfs_view *v, mapfs_ino ino, char **out)
{
	struct overlay *o = overlay_of(v);
	struct path p = { .start = PATH_MAX - 1 };
	int err = 0;

	rwlock_read(&o->ns_lock);
	for (int depth = 0; !err && ino != v->root_ino; depth++)
		err = depth < DEPTH_MAX ? step_up(o, ino, &p, &ino) :
					  -ENAMETOOLONG;
	rwlock_unlock(&o->ns_lock);
	if (err)
		return err;
	/* The last '/' ends the text. */
	if (p.start < PATH_MAX - 1)
		p.text[PATH_MAX - 2] = '\0';
	*out = strdup(p.text + p.start);
	return *out ? 0 : -ENOMEM;
}

/* SPDX-License-Identifier: MIT */
/*
 * A changed file with several names in the base is known by the name that was
 * looked up first.  If that name is elsewhere, another one may be below the
 * path that is reverted, and only the base can tell.  So the base is walked:
 * its directories list the numbers of their files.
 */
#include "revert_links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/path.h"

struct walk_dir {
	struct walk_dir *next;
	struct inode *inode; /* with a hold */
	char path[];
};

struct walk_ctx {
	const struct revert_links_walk *walk;
	struct overlay *o;
	struct walk_dir *todo;
	struct walk_dir *dir; /* the one that is listed now */
};

/* Takes the hold of the inode. */
static int push_dir(struct walk_ctx *w, struct inode *inode, const char *path)
{
	struct walk_dir *dir = malloc(sizeof(*dir) + strlen(path) + 1);

	if (!dir) {
		(void)inode_put(w->o->itable, inode);
		return -ENOMEM;
	}
	dir->inode = inode;
	memcpy(dir->path, path, strlen(path) + 1);
	dir->next = w->todo;
	w->todo = dir;
	return 0;
}

static int visit_dir(struct walk_ctx *w, const char *name, const char *path)
{
	struct inode_facts facts;
	struct inode *inode;
	struct statx stx;
	bool foreign;
	int err = base_stat(w->o->base, w->dir->inode, name, &stx, &foreign);

	if (err == -ENOENT || (!err && foreign))
		return 0;
	if (!err) {
		facts = base_facts(&stx, w->dir->inode, name);
		facts.type = S_IFDIR;
		err = itable_get_or_add(w->o->itable, &facts, &inode);
	}
	return err ? err : push_dir(w, inode, path);
}

static int visit_name(void *arg, const char *name, uint64_t ino, mode_t type,
		      uint64_t cookie)
{
	struct walk_ctx *w = arg;
	char *path;
	int ret;

	(void)cookie;
	if (path_is_dot(name))
		return 0;
	ret = path_join(&path, w->dir->path, name);
	if (ret)
		return ret;
	ret = S_ISDIR(type) ? visit_dir(w, name, path) :
			      w->walk->fn(w->walk->arg, ino, path);
	free(path);
	return ret;
}

static void pop_dir(struct walk_ctx *w)
{
	w->dir = w->todo;
	w->todo = w->dir->next;
}

static void end_dir(struct walk_ctx *w)
{
	(void)inode_put(w->o->itable, w->dir->inode);
	free(w->dir);
}

int revert_links_find(const struct revert_links_walk *walk)
{
	struct overlay *o = walk->o;
	struct walk_ctx w = { .walk = walk, .o = o };
	const struct inode_facts facts = {
		.ino = walk->ino,
		.generation = walk->generation,
		.type = S_IFDIR,
		.parent = itable_root(o->itable),
		.name = walk->path,
	};
	struct inode *top;
	int ret = itable_get_or_add(o->itable, &facts, &top);

	if (!ret)
		ret = push_dir(&w, top, walk->path);
	while (w.todo && !ret) {
		pop_dir(&w);
		ret = base_readdir(o->base, w.dir->inode, 0, visit_name, &w);
		/* A directory that cannot be read has no usable name. */
		if (ret == -ENOENT || ret == -ESTALE || ret == -EACCES)
			ret = 0;
		end_dir(&w);
	}
	while (w.todo) {
		pop_dir(&w);
		end_dir(&w);
	}
	return ret < 0 ? ret : 0;
}

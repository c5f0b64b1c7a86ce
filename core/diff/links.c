/* SPDX-License-Identifier: MIT */
/*
 * A change of a file with several names in the base shows under all of them,
 * but the delta knows only the names it met.  Only when some are missing is
 * the base walked, by the numbers its directories list, until all are found.
 */
#include "diff_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/path.h"

struct linked {
	UT_hash_handle hh;
	mapfs_ino ino;
	uint32_t nlink;
	uint32_t known;
	struct edge *edge; /* one of its names in the base */
};

struct walk_dir {
	struct walk_dir *next;
	struct inode *inode; /* with a hold */
	char path[];
};

struct walk {
	struct differ *d;
	struct linked *all;
	uint64_t missing; /* names not found yet */
	struct walk_dir *todo;
	struct walk_dir *dir; /* the one that is listed now */
};

static struct linked *linked_find(const struct walk *w, mapfs_ino ino)
{
	struct linked *l = NULL;

	if (w->all)
		HASH_FIND(hh, w->all, &ino, sizeof(ino), l);
	return l;
}

static int count_name(struct walk *w, struct edge *e,
		      const struct base_facts *f)
{
	struct linked *l;

	if (f->ino == 0 || S_ISDIR(f->mode) || f->nlink < 2 ||
	    (!side_inode(&w->d->side[OLD], f->ino) &&
	     !side_inode(&w->d->side[NEW], f->ino)))
		return 0;
	l = linked_find(w, f->ino);
	if (!l) {
		l = calloc(1, sizeof(*l));
		if (!l)
			return -ENOMEM;
		l->ino = f->ino;
		l->nlink = f->nlink;
		HASH_ADD(hh, w->all, ino, sizeof(l->ino), l);
		if (!l->hh.tbl) {
			free(l);
			return -ENOMEM;
		}
	}
	l->known++;
	if (f == &e->facts[OLD])
		l->edge = e;
	return 0;
}

static int count_names(struct walk *w)
{
	int err = 0;

	for (struct edge *e = w->d->edges; e && !err; e = e->hh.next) {
		err = count_name(w, e, &e->facts[OLD]);
		/* Without a twin both are the same name. */
		if (!err && e->dir && e->dir->twin)
			err = count_name(w, e, &e->facts[NEW]);
	}
	return err;
}

static bool is_there(const struct differ *d, enum side s, mapfs_ino id)
{
	const struct side_inode *si = side_inode(&d->side[s], id);

	return !si || si->attr.nlink > 0;
}

/* Is it another file now, so that its other names matter? */
static int is_wanted(struct differ *d, const struct linked *l, bool *wanted)
{
	const struct object object = {
		.id = l->ino,
		.type = (uint16_t)(l->edge ? l->edge->facts[OLD].mode & S_IFMT :
					     0),
	};
	struct difference diff = { 0 };
	struct subject a;
	struct subject b;
	int err;

	*wanted = false;
	if (l->known >= l->nlink || !l->edge || !is_there(d, OLD, l->ino) ||
	    !is_there(d, NEW, l->ino))
		return 0;
	err = subject_init(d, OLD, l->edge, OLD, &object, &a);
	if (err)
		return err;
	err = subject_init(d, NEW, l->edge, OLD, &object, &b);
	if (!err) {
		err = subject_compare(d, &a, &b, &diff);
		*wanted = !err && diff.what != 0;
		difference_fini(&diff);
		subject_fini(d, &b);
	}
	subject_fini(d, &a);
	return err;
}

static void linked_drop(struct walk *w, struct linked *l)
{
	HASH_DEL(w->all, l);
	free(l);
}

static int keep_wanted(struct walk *w)
{
	struct linked *l;
	struct linked *next;
	bool wanted;

	HASH_ITER(hh, w->all, l, next) {
		int err = is_wanted(w->d, l, &wanted);

		if (err)
			return err;
		if (wanted)
			w->missing += l->nlink - l->known;
		else
			linked_drop(w, l);
	}
	return 0;
}

static int push_dir(struct walk *w, struct inode *inode, const char *above,
		    const char *name)
{
	const char *sep = *above ? "/" : "";
	size_t bytes = strlen(above) + strlen(name) + 2;
	struct walk_dir *dir = malloc(sizeof(*dir) + bytes);

	if (!dir) {
		overlay_put(w->d->to, inode);
		return -ENOMEM;
	}
	dir->inode = inode;
	(void)snprintf(dir->path, bytes, "%s%s%s", above, sep, name);
	dir->next = w->todo;
	w->todo = dir;
	return 0;
}

static int visit_dir(struct walk *w, const char *name)
{
	struct overlay *o = w->d->to;
	struct inode *inode;
	struct statx stx;
	bool foreign;
	int err = base_stat(o->base, w->dir->inode, name, &stx, &foreign);

	if (err == -ENOENT || (!err && foreign))
		return 0;
	if (!err)
		err = itable_get_or_add(o->itable, stx.stx_ino,
					base_generation(&stx), S_IFDIR,
					w->dir->inode, name, false, &inode);
	return err ? err : push_dir(w, inode, w->dir->path, name);
}

static int visit_name(void *arg, const char *name, uint64_t ino, mode_t type,
		      uint64_t cookie)
{
	struct walk *w = arg;
	struct dnode *dir;
	struct edge *e;
	unsigned int before = HASH_COUNT(w->d->edges);
	int err;

	(void)cookie;
	if (path_is_dot(name))
		return 0;
	if (S_ISDIR(type))
		return visit_dir(w, name);
	if (!linked_find(w, ino))
		return 0;
	err = dnode_of_path(w->d, w->dir->path, strlen(w->dir->path), &dir);
	if (!err)
		err = edge_add(w->d, dir, name, strlen(name), &e);
	if (!err && HASH_COUNT(w->d->edges) > before && --w->missing == 0)
		return 1;
	return err;
}

static int walk_base(struct walk *w)
{
	struct inode *root = itable_root(w->d->to->itable);
	int ret;

	inode_hold(w->d->to->itable, root);
	ret = push_dir(w, root, "", "");
	while (w->todo && !ret) {
		w->dir = w->todo;
		w->todo = w->dir->next;
		ret = base_readdir(w->d->to->base, w->dir->inode, 0, visit_name,
				   w);
		if (ret == -ENOENT || ret == -ESTALE)
			ret = 0;
		overlay_put(w->d->to, w->dir->inode);
		free(w->dir);
	}
	while (w->todo) {
		w->dir = w->todo;
		w->todo = w->dir->next;
		overlay_put(w->d->to, w->dir->inode);
		free(w->dir);
	}
	return ret < 0 ? ret : 0;
}

int diff_find_links(struct differ *d)
{
	struct walk w = { .d = d };
	struct linked *l;
	struct linked *next;
	int err = count_names(&w);

	if (!err)
		err = keep_wanted(&w);
	if (!err && w.missing > 0)
		err = walk_base(&w);
	HASH_ITER(hh, w.all, l, next)
		linked_drop(&w, l);
	return err;
}

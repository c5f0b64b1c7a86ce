/* SPDX-License-Identifier: MIT */
/*
 * A change of a file with several names in the base shows under all of them,
 * but the delta knows only those through which the file was reached.  Only if
 * some are missing, the base is walked, and the inode numbers in its listings
 * are compared, until all names are found.
 */
#include "links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compare.h"
#include "core/lib/path.h"

struct linked {
	UT_hash_handle hh;
	mapfs_ino ino;
	uint32_t nlink;
	uint32_t known;
	struct diff_name *name; /* one of its names in the base */
};

struct walk_dir {
	struct walk_dir *next;
	struct inode *inode; /* with a hold */
	char *path;
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

static int count_name(struct walk *w, struct diff_name *dn, enum side s)
{
	const struct base_facts *f = dn->facts[s];
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
	if (s == OLD)
		l->name = dn;
	return 0;
}

static int count_names(struct walk *w)
{
	int err = 0;

	for (struct diff_name *dn = w->d->first_name; dn && !err;
	     dn = dn->next) {
		err = count_name(w, dn, OLD);
		/* Without a replacement both are the same name. */
		if (!err && dn->dir && dn->dir->replacement)
			err = count_name(w, dn, NEW);
	}
	return err;
}

static bool is_there(const struct differ *d, enum side s, mapfs_ino id)
{
	const struct side_inode *si = side_inode(&d->side[s], id);

	return !si || si->attr.nlink > 0;
}

/* Does the file differ, so that its other names are needed? */
static int is_wanted(struct differ *d, const struct linked *l, bool *wanted)
{
	const struct diff_name *dn = l->name;
	const struct object_of_name which = {
		.name = dn,
		.where = OLD,
		.id = l->ino,
	};
	struct difference diff = { 0 };
	struct diff_object a;
	struct diff_object b;
	int err;

	*wanted = false;
	if (l->known >= l->nlink || !dn || !is_there(d, OLD, l->ino) ||
	    !is_there(d, NEW, l->ino))
		return 0;
	err = object_init(d, OLD, &which, &a);
	if (err)
		return err;
	err = object_init(d, NEW, &which, &b);
	if (!err) {
		err = objects_compare(d, &a, &b, &diff);
		*wanted = !err && diff.what != 0;
		difference_fini(&diff);
		object_fini(d, &b);
	}
	object_fini(d, &a);
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

/* Takes the hold of the inode, also when it fails. */
static int push_dir(struct walk *w, struct inode *inode, const char *above,
		    const char *name)
{
	struct walk_dir *dir = malloc(sizeof(*dir));
	int err = dir ? path_join(&dir->path, above, name) : -ENOMEM;

	if (err) {
		overlay_put(w->d->to, inode);
		free(dir);
		return err;
	}
	dir->inode = inode;
	dir->next = w->todo;
	w->todo = dir;
	return 0;
}

static int visit_dir(struct walk *w, const char *name)
{
	struct overlay *o = w->d->to;
	struct inode_facts facts;
	struct inode *inode;
	struct statx stx;
	bool foreign;
	int err = base_stat(o->base, w->dir->inode, name, &stx, &foreign);

	if (err == -ENOENT || (!err && foreign))
		return 0;
	if (!err) {
		facts = base_facts(&stx, w->dir->inode, name);
		facts.type = S_IFDIR;
		err = itable_get_or_add(o->itable, &facts, &inode);
	}
	return err ? err : push_dir(w, inode, w->dir->path, name);
}

static int visit_name(void *arg, const char *name, uint64_t ino, mode_t type,
		      uint64_t cookie)
{
	struct walk *w = arg;
	struct diff_dir *dir;
	struct diff_name *dn;
	const uint64_t before = w->d->names.count;
	int err;

	(void)cookie;
	if (path_is_dot(name))
		return 0;
	if (S_ISDIR(type))
		return visit_dir(w, name);
	if (!linked_find(w, ino))
		return 0;
	err = dir_of_path(w->d, w->dir->path, strlen(w->dir->path), &dir);
	if (!err)
		err = name_add(w->d, dir, name, strlen(name), &dn);
	if (!err && w->d->names.count > before && --w->missing == 0)
		return 1;
	return err;
}

static void walk_pop(struct walk *w)
{
	w->dir = w->todo;
	w->todo = w->dir->next;
}

static void walk_drop(struct walk *w)
{
	overlay_put(w->d->to, w->dir->inode);
	free(w->dir->path);
	free(w->dir);
}

static int walk_base(struct walk *w)
{
	struct inode *root = itable_root(w->d->to->itable);
	int ret;

	inode_hold(w->d->to->itable, root);
	ret = push_dir(w, root, "", "");
	while (w->todo && !ret) {
		walk_pop(w);
		ret = base_readdir(w->d->to->base, w->dir->inode, 0, visit_name,
				   w);
		if (ret == -ENOENT || ret == -ESTALE)
			ret = 0;
		walk_drop(w);
	}
	while (w->todo) {
		walk_pop(w);
		walk_drop(w);
	}
	return ret < 0 ? ret : 0;
}

int diff_links_find(struct differ *d)
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

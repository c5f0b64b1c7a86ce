/* SPDX-License-Identifier: MIT */
/*
 * Which edges are looked at: never the base as a whole.
 *
 *  1. Each name in a delta, in a directory that both sides have.  Where that
 *     finds two directories that only one side has each, they are twins, and
 *     every name in either is an edge too (the base's listing is read).
 *  2. The places of each changed inode.
 *  3. What is in directories that only one side has.  Of a directory of the
 *     base that needs a walk, so it is done only when it was asked for.
 *
 * Twins must be known before a directory that has one gets any edge, because
 * both share them.
 */
#include "diff_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/path.h"

static void enqueue(struct differ *d, struct dnode *dir)
{
	if (dir->is_queued)
		return;
	dir->is_queued = true;
	dir->queued = d->queue;
	d->queue = dir;
}

/* Is it only on side `s`, as far as identity goes? */
static int is_alone(struct differ *d, struct dnode *dir, enum side s,
		    bool *alone)
{
	bool here = false;
	bool there = false;
	int err = dnode_is_present(d, dir, s, &here);

	if (!err)
		err = dnode_is_present(d, dir, s == OLD ? NEW : OLD, &there);
	*alone = !err && here && !there;
	return err;
}

static int find_twins(struct differ *d, const struct edge *e)
{
	struct dnode *was = e->object[OLD].dir;
	struct dnode *is = e->object[NEW].dir;
	bool alone = false;
	int err = 0;

	if (!was || !is || was == is || was->twin || is->twin)
		return 0;
	err = is_alone(d, was, OLD, &alone);
	if (!err && alone)
		err = is_alone(d, is, NEW, &alone);
	if (err || !alone)
		return err;
	was->twin = is;
	is->twin = was;
	enqueue(d, was);
	return 0;
}

struct listing_arg {
	struct differ *d;
	struct dnode *dir;
	bool want_twins;
};

static int add_name(const struct listing_arg *l, const char *name)
{
	struct edge *e;
	int err = edge_add(l->d, l->dir, name, strlen(name), &e);

	return !err && l->want_twins ? find_twins(l->d, e) : err;
}

static int add_base_name(void *arg, const char *name, uint64_t ino, mode_t type,
			 uint64_t cookie)
{
	(void)ino;
	(void)type;
	(void)cookie;
	return path_is_dot(name) ? 0 : add_name(arg, name);
}

static int list_dentries(const struct listing_arg *l, enum side s,
			 const struct dnode *dir)
{
	const struct side_inode *si = side_inode(&l->d->side[s], dir->id);
	const struct side_dentry *de = si ? si->dentries : NULL;
	int err = 0;

	for (; de && !err; de = de->next_in_dir)
		err = add_name(l, de->name);
	return err;
}

static int list_base(struct listing_arg *l, struct dnode *dir)
{
	struct inode *inode;
	int err;

	if (!dir->base_path || dir->is_foreign)
		return 0;
	err = dnode_inode(l->d, dir, &inode);
	if (!err)
		err = base_readdir(l->d->to->base, inode, 0, add_base_name, l);
	return err == -ENOENT || err == -ENOTDIR || err == -ESTALE ? 0 : err;
}

static int add_twins_names(struct differ *d, struct dnode *was)
{
	struct listing_arg l = { .d = d, .dir = was, .want_twins = true };
	int err = list_base(&l, was);

	if (!err)
		err = list_dentries(&l, OLD, was);
	if (!err)
		err = list_base(&l, was->twin);
	return err ? err : list_dentries(&l, NEW, was->twin);
}

static int add_changed_names(struct differ *d)
{
	struct side_inode *si;
	struct side_inode *next;
	int err = 0;

	for (int s = OLD; s < SIDES; s++) {
		HASH_ITER(hh, d->side[s].inodes, si, next) {
			struct listing_arg l = {
				.d = d,
				.dir = dnode_of_id(d, si->id),
				.want_twins = true,
			};
			bool here = false;
			bool there = false;

			if (!l.dir || !si->dentries)
				continue;
			err = dnode_is_present(d, l.dir, OLD, &here);
			if (!err)
				err = dnode_is_present(d, l.dir, NEW, &there);
			if (!err && here && there)
				err = list_dentries(&l, s, l.dir);
			if (err)
				return err;
		}
	}
	while (d->queue && !err) {
		struct dnode *was = d->queue;

		d->queue = was->queued;
		err = add_twins_names(d, was);
	}
	return err;
}

static int add_places_of_dir(struct differ *d, struct dnode *dir)
{
	const struct place *p;
	struct edge *e;
	int err = 0;

	for (int s = OLD; s < SIDES && !err; s++) {
		err = dnode_place(d, dir, s, &p);
		if (!err && p->parent)
			err = edge_add(d, p->parent, p->name, strlen(p->name),
				       &e);
	}
	return err;
}

static int add_base_place(struct differ *d, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	struct dnode *dir;
	struct edge *e;
	int err = dnode_of_path(d, path, slash ? (size_t)(slash - path) : 0,
				&dir);

	return err ? err : edge_add(d, dir, name, strlen(name), &e);
}

static int add_places_of_file(struct differ *d, const struct side_inode *si)
{
	const struct side_dentry *de = si->names;
	struct edge *e;
	int err = 0;

	for (; de && !err; de = de->next_of_object) {
		struct dnode *dir = dnode_of_id(d, de->dir);

		err = dir ? edge_add(d, dir, de->name, strlen(de->name), &e) :
			    -EUCLEAN;
	}
	if (!err && si->base_path)
		err = add_base_place(d, si->base_path);
	return err;
}

static int add_places(struct differ *d)
{
	struct side_inode *si;
	struct side_inode *next;
	int err = 0;

	for (int s = OLD; s < SIDES; s++) {
		HASH_ITER(hh, d->side[s].inodes, si, next) {
			if (si->attr.nlink == 0)
				continue;
			if (S_ISDIR(si->attr.mode))
				err = add_places_of_dir(d,
							dnode_of_id(d, si->id));
			else
				err = add_places_of_file(d, si);
			if (err)
				return err;
		}
	}
	return 0;
}

/* A directory that only side `s` has, and no twin of it. */
static int add_names_alone(struct differ *d, struct dnode *dir, enum side s)
{
	struct listing_arg l = { .d = d, .dir = dir };
	bool alone = false;
	int err = 0;

	if (!dir || dir->twin || dir->is_queued)
		return 0;
	err = is_alone(d, dir, s, &alone);
	if (err || !alone || (dir->base_path && !d->opt->want_tree))
		return err;
	dir->is_queued = true;
	err = list_base(&l, dir);
	return err ? err : list_dentries(&l, s, dir);
}

int diff_expand(struct differ *d)
{
	int err = edge_add_root(d);

	if (!err)
		err = add_changed_names(d);
	if (!err)
		err = add_places(d);
	/* New edges come at the end, so this finds them too. */
	for (struct edge *e = d->edges; e && !err; e = e->hh.next) {
		err = add_names_alone(d, e->object[OLD].dir, OLD);
		if (!err)
			err = add_names_alone(d, e->object[NEW].dir, NEW);
	}
	return err;
}

int dnode_is_covered(struct differ *d, struct dnode *dir, bool *covered)
{
	*covered = false;
	while (dir && dir != d->root && !dir->twin) {
		const struct place *old_place = &dir->place[OLD];
		const struct place *new_place = &dir->place[NEW];
		int err = dnode_place(d, dir, OLD, &old_place);

		if (!err)
			err = dnode_place(d, dir, NEW, &new_place);
		if (err || old_place->is_present == new_place->is_present)
			return err;
		if (dir->base_path && !d->opt->want_tree) {
			*covered = true;
			return 0;
		}
		dir = old_place->is_present ? old_place->parent :
					      new_place->parent;
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The names that may differ, found without a walk of the whole base:
 *
 *  1. Each name in a delta, in a directory that both sides have.  If such a
 *     name means one directory on the old side and another one on the new
 *     side, and each of them is on one side only, they are each other's
 *     replacement; then every name in either is a candidate too (the base's
 *     listing is read).
 *  2. The places of each changed inode.
 *  3. The names in directories that only one side has.  For a directory of the
 *     base that is a walk, so it is done only if the caller wants the tree.
 *
 * A replacement must be known before any name is added to either directory,
 * because the two share their names.
 */
#include "candidates.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/path.h"
#include "name.h"

static void enqueue(struct differ *d, struct diff_dir *dir)
{
	if (dir->is_queued)
		return;
	dir->is_queued = true;
	dir->queued = d->queue;
	d->queue = dir;
}

/* Is this very directory on side `s` only? */
static int is_alone(struct differ *d, struct diff_dir *dir, enum side s,
		    bool *alone)
{
	bool here = false;
	bool there = false;
	int err = dir_is_present(d, dir, s, &here);

	if (!err)
		err = dir_is_present(d, dir, s == OLD ? NEW : OLD, &there);
	*alone = !err && here && !there;
	return err;
}

static int find_replacement(struct differ *d, const struct diff_name *dn)
{
	struct diff_dir *was = dn->target[OLD].dir;
	struct diff_dir *is = dn->target[NEW].dir;
	bool alone = false;
	int err = 0;

	if (!was || !is || was == is || was->replacement || is->replacement)
		return 0;
	err = is_alone(d, was, OLD, &alone);
	if (!err && alone)
		err = is_alone(d, is, NEW, &alone);
	if (err || !alone)
		return err;
	was->replacement = is;
	is->replacement = was;
	enqueue(d, was);
	return 0;
}

struct listing_arg {
	struct differ *d;
	struct diff_dir *dir;
	bool want_replacements;
};

static int add_name(const struct listing_arg *l, const char *name)
{
	struct diff_name *dn;
	int err = name_add(l->d, l->dir, name, strlen(name), &dn);

	return !err && l->want_replacements ? find_replacement(l->d, dn) : err;
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
			 const struct diff_dir *dir)
{
	const struct side_inode *si = side_inode(&l->d->side[s], dir->id);
	const struct side_dentry *de = si ? si->dentries : NULL;
	int err = 0;

	for (; de && !err; de = de->next_in_dir)
		err = add_name(l, de->name);
	return err;
}

static int list_base(struct listing_arg *l, struct diff_dir *dir)
{
	struct inode *inode;
	int err;

	if (!dir->base_path || dir->is_foreign)
		return 0;
	err = dir_inode(l->d, dir, &inode);
	if (!err)
		err = base_readdir(l->d->to->base, inode, 0, add_base_name, l);
	return err == -ENOENT || err == -ENOTDIR || err == -ESTALE ? 0 : err;
}

static int add_names_of_replaced(struct differ *d, struct diff_dir *was)
{
	struct listing_arg l = { .d = d,
				 .dir = was,
				 .want_replacements = true };
	int err = list_base(&l, was);

	if (!err)
		err = list_dentries(&l, OLD, was);
	if (!err)
		err = list_base(&l, was->replacement);
	return err ? err : list_dentries(&l, NEW, was->replacement);
}

static int add_changed_names(struct differ *d)
{
	struct side_inode *si;
	int err = 0;

	for (int s = OLD; s < SIDES; s++) {
		for (si = d->side[s].all; si; si = si->next) {
			struct listing_arg l = {
				.d = d,
				.dir = dir_of_id(d, si->id),
				.want_replacements = true,
			};
			bool here = false;
			bool there = false;

			if (!l.dir || !si->dentries)
				continue;
			err = dir_is_present(d, l.dir, OLD, &here);
			if (!err)
				err = dir_is_present(d, l.dir, NEW, &there);
			if (!err && here && there)
				err = list_dentries(&l, s, l.dir);
			if (err)
				return err;
		}
	}
	while (d->queue && !err) {
		struct diff_dir *was = d->queue;

		d->queue = was->queued;
		err = add_names_of_replaced(d, was);
	}
	return err;
}

static int add_places_of_dir(struct differ *d, struct diff_dir *dir)
{
	const struct place *p;
	struct diff_name *dn;
	int err = 0;

	for (int s = OLD; s < SIDES && !err; s++) {
		err = dir_place(d, dir, s, &p);
		if (!err && p->parent)
			err = name_add(d, p->parent, p->name, strlen(p->name),
				       &dn);
	}
	return err;
}

static int add_base_place(struct differ *d, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	struct diff_dir *dir;
	struct diff_name *dn;
	int err =
		dir_of_path(d, path, slash ? (size_t)(slash - path) : 0, &dir);

	return err ? err : name_add(d, dir, name, strlen(name), &dn);
}

static int add_places_of_file(struct differ *d, const struct side_inode *si)
{
	const struct side_dentry *de = si->names;
	struct diff_name *dn;
	int err = 0;

	for (; de && !err; de = de->next_of_object) {
		struct diff_dir *dir = dir_of_id(d, de->dir);

		err = dir ? name_add(d, dir, de->name, strlen(de->name), &dn) :
			    -EUCLEAN;
	}
	if (!err && si->base_path)
		err = add_base_place(d, si->base_path);
	return err;
}

static int add_places(struct differ *d)
{
	struct side_inode *si;
	int err = 0;

	for (int s = OLD; s < SIDES; s++) {
		for (si = d->side[s].all; si; si = si->next) {
			if (si->attr.nlink == 0)
				continue;
			if (S_ISDIR(si->attr.mode))
				err = add_places_of_dir(d,
							dir_of_id(d, si->id));
			else
				err = add_places_of_file(d, si);
			if (err)
				return err;
		}
	}
	return 0;
}

/* Lists a directory that only side `s` has and that nothing replaces. */
static int add_names_alone(struct differ *d, struct diff_dir *dir, enum side s)
{
	struct listing_arg l = { .d = d, .dir = dir };
	bool alone = false;
	int err = 0;

	if (!dir || dir->replacement || dir->is_queued)
		return 0;
	err = is_alone(d, dir, s, &alone);
	if (err || !alone || (dir->base_path && !d->opt->want_tree))
		return err;
	dir->is_queued = true;
	err = list_base(&l, dir);
	return err ? err : list_dentries(&l, s, dir);
}

int diff_candidates_find(struct differ *d)
{
	int err = name_add_root(d);

	if (!err)
		err = add_changed_names(d);
	if (!err)
		err = add_places(d);
	/* New names are added at the end, so the loop reaches them too. */
	for (struct diff_name *dn = d->first_name; dn && !err; dn = dn->next) {
		err = add_names_alone(d, dn->target[OLD].dir, OLD);
		if (!err)
			err = add_names_alone(d, dn->target[NEW].dir, NEW);
	}
	return err;
}

int dir_is_covered(struct differ *d, struct diff_dir *dir, bool *covered)
{
	*covered = false;
	while (dir && dir != d->root && !dir->replacement) {
		const struct place *old_place = &dir->place[OLD];
		const struct place *new_place = &dir->place[NEW];
		int err = dir_place(d, dir, OLD, &old_place);

		if (!err)
			err = dir_place(d, dir, NEW, &new_place);
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

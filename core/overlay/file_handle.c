/* SPDX-License-Identifier: MIT */
/*
 * An inode in the delta is in the table of inodes as long as it exists.  An
 * inode that is not in the delta is as the base has it, so the view shows it
 * exactly if the view shows its name in the base.  Removing or replacing that
 * name would have put the inode into the delta; and when such an inode is
 * removed from the delta, the dentry or whiteout of the name remains.
 */
#include "file_handle.h"

#include <errno.h>
#include <sys/stat.h>

#include "attr.h"
#include "lookup.h"

/* Is the inode in the delta, and has it names there? */
static void judge(struct overlay *o, struct inode *i, bool *has_delta,
		  bool *is_named)
{
	rwlock_read(delta_stripe(&o->set, i));
	*has_delta = i->delta != NULL;
	*is_named = i->delta && i->delta->attr.nlink > 0;
	rwlock_unlock(delta_stripe(&o->set, i));
}

static int enter(void *arg, struct inode *dir, const char *name,
		 struct inode **out)
{
	return overlay_find_in_base(arg, dir, name, out);
}

static int look(void *arg, struct inode *dir, const char *name,
		struct inode **out)
{
	bool has_delta;
	bool is_named;
	int err;

	judge(arg, dir, &has_delta, &is_named);
	if (has_delta && !is_named)
		return -ENOENT;
	err = overlay_find_unlocked(arg, dir, name, out);
	return !err && !*out ? -ENOENT : err;
}

static bool shows(void *arg, struct inode *dir)
{
	struct overlay *o = arg;
	bool has_delta;
	bool is_named;

	judge(o, dir, &has_delta, &is_named);
	return has_delta || inode_is_known(o->itable, dir);
}

static void put(void *arg, struct inode *i)
{
	overlay_put(arg, i);
}

static int find(struct overlay *o, mapfs_ino ino, bool may_walk,
		struct inode **out)
{
	const struct base_finder f = {
		.arg = o,
		.enter = enter,
		.look = look,
		.shows = shows,
		.put = put,
	};
	struct inode *i = itable_get(o->itable, ino);
	bool has_delta = false;
	bool is_named = false;

	if (i)
		judge(o, i, &has_delta, &is_named);
	if (has_delta && is_named) {
		*out = i;
		return 0;
	}
	if (i)
		overlay_put(o, i);
	if (has_delta || delta_set_is_own_ino(&o->set, ino))
		return -ESTALE;
	return base_find(o->base, &f, ino, may_walk, out);
}

int overlay_reach(struct mapfs_view *v, mapfs_ino ino, bool may_walk,
		  struct mapfs_entry *out)
{
	struct overlay *o = overlay_of(v);
	struct inode *i;
	int err = find(o, ino, may_walk, &i);

	if (err)
		return err;
	err = overlay_fill_entry(o, i, out);
	overlay_put(o, i);
	return err;
}

int overlay_above(struct mapfs_view *v, mapfs_ino dir, bool may_walk,
		  mapfs_ino *above)
{
	struct overlay *o = overlay_of(v);
	struct inode *i;
	int err = find(o, dir, may_walk, &i);

	if (err)
		return err;
	if (S_ISDIR(i->type))
		*above = overlay_parent_ino(o, i);
	else
		err = -ENOTDIR;
	overlay_put(o, i);
	return err;
}

void overlay_interrupt(struct mapfs_view *v)
{
	base_interrupt(overlay_of(v)->base);
}

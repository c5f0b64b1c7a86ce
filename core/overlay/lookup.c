/* SPDX-License-Identifier: MIT */
/*
 * Looking a name up: the delta decides, and if it has no entry for the name,
 * the base does.
 *
 * A directory shows names of the base exactly if it has an object in the base.
 * A directory made in the view has none, so a directory that was removed and
 * made again shows nothing of the old one.
 */
#include "lookup.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "attr.h"
#include "lost.h"

/* The base's object of this name, with a hold; *out NULL: none. */
static int ask_base(struct overlay *o, struct inode *dir, const char *name,
		    struct inode **out)
{
	struct inode_facts facts;
	struct statx stx;
	bool foreign;
	int err;

	*out = NULL;
	if (dir->is_foreign || dir->is_stand_in)
		return 0;
	err = base_stat(o->base, dir, name, &stx, &foreign);
	if (err)
		return err == -ENOENT || overlay_lost_dir(o, dir, err) ? 0 :
									 err;
	if (!foreign && delta_set_is_own_ino(&o->set, stx.stx_ino))
		return -EOVERFLOW;
	facts = base_facts(&stx, dir, name);
	err = itable_get_or_add(o->itable, &facts, out);
	if (err)
		return err;
	if ((*out)->is_foreign != foreign)
		(*out)->is_foreign = foreign;
	if (foreign || base_is_of(*out, &stx))
		return 0;
	/*
	 * Its number belonged to an object of the delta that the base has
	 * removed since.
	 */
	(void)inode_put(o->itable, *out);
	*out = NULL;
	return -ESTALE;
}

int overlay_find_in_base(struct overlay *o, struct inode *dir, const char *name,
			 struct inode **out)
{
	struct inode *lost;
	int asked;
	int err;

	*out = NULL;
	if (!overlay_has_base(o, dir))
		return 0;
	asked = ask_base(o, dir, name, out);
	if ((asked && asked != -ESTALE) ||
	    (*out && overlay_is_in_delta(o, *out)))
		return asked;
	err = overlay_find_lost(o, dir, name, *out && S_ISDIR((*out)->type),
				&lost);
	if (*out && (err || lost)) {
		(void)inode_put(o->itable, *out);
		*out = NULL;
	}
	if (err)
		return err;
	if (!lost)
		return asked;
	*out = lost;
	return 0;
}

int overlay_find(struct overlay *o, struct inode *dir, const char *name,
		 struct lookup_result *out)
{
	const struct dentry *d =
		namespace_lookup(&o->set.names, dir->ino, name, strlen(name));
	struct lookup_result f = { 0 };
	int err = 0;

	if (d) {
		f.in_delta = true;
		f.over_base = d->over_base;
		if (d->ino != 0)
			f.inode = itable_get(o->itable, d->ino);
	} else {
		err = overlay_find_in_base(o, dir, name, &f.inode);
		f.over_base = f.inode != NULL;
	}
	if (!err)
		*out = f;
	return err;
}

int overlay_find_unlocked(struct overlay *o, struct inode *dir,
			  const char *name, struct inode **out)
{
	const struct dentry *d;
	mapfs_ino ino = 0;
	bool in_delta;

	rwlock_read(&o->ns_lock);
	d = namespace_lookup(&o->set.names, dir->ino, name, strlen(name));
	in_delta = d != NULL;
	if (d)
		ino = d->ino;
	rwlock_unlock(&o->ns_lock);
	if (!in_delta)
		return overlay_find_in_base(o, dir, name, out);
	*out = ino ? itable_get(o->itable, ino) : NULL;
	return 0;
}

int overlay_lookup(struct mapfs_view *v, mapfs_ino dir_ino, const char *name,
		   struct mapfs_entry *out)
{
	struct overlay *o = overlay_of(v);
	struct inode *dir;
	struct inode *i;
	int err = overlay_get(o, dir_ino, &dir);

	if (err)
		return err;
	if (!S_ISDIR(dir->type))
		err = -ENOTDIR;
	if (!err)
		err = overlay_find_unlocked(o, dir, name, &i);
	if (!err && !i)
		err = -ENOENT;
	if (!err) {
		err = overlay_fill_entry(o, i, out);
		overlay_put(o, i);
	}
	overlay_put(o, dir);
	return err;
}

/* SPDX-License-Identifier: MIT */
#include "lookup.h"

#include <errno.h>
#include <sys/stat.h>

#include "attr.h"
#include "change_cookie.h"
#include "core/view/attr.h"

void direct_fill_entry(struct direct *d, struct inode *i,
		       const struct statx *stx, struct mapfs_entry *out)
{
	view_attr_of(stx, i->ino, &out->attr);
	out->generation = i->generation;
	change_cookie_set(i, stx);
	inode_count_lookup(d->itable, i);
}

int direct_see(struct direct *d, struct inode *dir, const char *name,
	       struct statx *stx, struct inode **out)
{
	uint64_t moves = itable_moves(d->itable);
	struct inode_facts facts;
	struct base_seen seen;
	int err;

	if (dir->is_foreign)
		return -ENOENT;
	err = base_stat_generation(d->base, dir, name, &seen);
	if (err)
		return err;
	facts = base_facts(&seen.stx, dir, name);
	facts.generation = seen.generation;
	err = itable_see(d->itable, &facts, moves, out);
	if (err)
		return err;
	if ((*out)->is_foreign != seen.is_foreign)
		(*out)->is_foreign = seen.is_foreign;
	*stx = seen.stx;
	return 0;
}

int direct_enter(struct direct *d, struct inode *dir, const char *name,
		 struct mapfs_entry *out)
{
	struct statx stx;
	struct inode *i;
	int err = direct_see(d, dir, name, &stx, &i);

	if (err)
		return err;
	direct_fill_entry(d, i, &stx, out);
	direct_put(d, i);
	return 0;
}

int direct_lookup(struct mapfs_view *v, mapfs_ino dir_ino, const char *name,
		  struct mapfs_entry *out)
{
	struct direct *d = direct_of(v);
	struct inode *dir;
	int err = direct_dir_get(d, dir_ino, false, &dir);

	if (err)
		return err;
	err = direct_enter(d, dir, name, out);
	direct_put(d, dir);
	return err;
}

void direct_forget(struct mapfs_view *v, mapfs_ino ino, uint64_t nlookup)
{
	struct direct *d = direct_of(v);
	struct inode *i = itable_get(d->itable, ino);

	if (!i)
		return;
	(void)itable_forget(d->itable, ino, nlookup);
	/* The space of an unlinked file is freed when no descriptor is left. */
	if (inode_is_idle(d->itable, i))
		base_uncache(d->base, i);
	direct_put(d, i);
}

/* SPDX-License-Identifier: MIT */
/*
 * The place where an object was last seen is always looked up again, because
 * another process may have moved or removed it.  The kernel compares the
 * generation of the result with the file handle's.
 */
#include "file_handle.h"

#include <errno.h>
#include <sys/stat.h>

#include "attr.h"
#include "lookup.h"

static int look(void *arg, struct inode *dir, const char *name,
		struct inode **out)
{
	struct statx stx;

	return direct_see(arg, dir, name, &stx, out);
}

/* If its place is wrong, the lookup of the next name there fails. */
static bool shows(void *arg, struct inode *dir)
{
	struct direct *d = arg;

	return inode_is_known(d->itable, dir);
}

static void put(void *arg, struct inode *i)
{
	direct_put(arg, i);
}

static int find(struct direct *d, mapfs_ino ino, bool may_walk,
		struct inode **out)
{
	const struct base_finder f = {
		.arg = d,
		.enter = look,
		.look = look,
		.shows = shows,
		.put = put,
	};

	return base_find(d->base, &f, ino, may_walk, out);
}

int direct_reach(struct mapfs_view *v, mapfs_ino ino, bool may_walk,
		 struct mapfs_entry *out)
{
	struct direct *d = direct_of(v);
	struct mapfs_entry e = { 0 };
	struct inode *i;
	int err = find(d, ino, may_walk, &i);

	if (err)
		return err;
	err = direct_getattr(v, mapfs_file_of(ino), &e.attr);
	if (!err) {
		e.generation = i->generation;
		inode_count_lookup(d->itable, i);
		*out = e;
	}
	direct_put(d, i);
	return err;
}

int direct_above(struct mapfs_view *v, mapfs_ino dir, bool may_walk,
		 mapfs_ino *above)
{
	struct direct *d = direct_of(v);
	struct inode *i;
	int err = find(d, dir, may_walk, &i);

	if (err)
		return err;
	if (S_ISDIR(i->type))
		*above = inode_parent_ino(d->itable, i);
	else
		err = -ENOTDIR;
	direct_put(d, i);
	return err;
}

void direct_interrupt(struct mapfs_view *v)
{
	base_interrupt(direct_of(v)->base);
}

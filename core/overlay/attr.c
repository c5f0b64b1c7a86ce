/* SPDX-License-Identifier: MIT */
/*
 * The attributes of an inode: the delta's if it has the inode, else the
 * base's.
 */
#include "attr.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/view/attr.h"
#include "lost.h"

/*
 * Never too few: tar takes a file of 0 blocks for one hole, and would lose its
 * content.  It is not known which of the base file's blocks lie in the pages
 * that still show, so all of them are counted, as far as those pages have
 * room for them.
 */
static uint64_t delta_blocks(const struct delta *d)
{
	const struct pagetable *pt = &d->pages;
	uint64_t blocks = pt->arena_pages * MAPFS_BLOCKS_PER_PAGE;
	uint64_t shown;
	uint64_t held;

	if (!S_ISREG(d->attr.mode))
		return d->base ? d->base->blocks_512 : 0;
	if (!d->base)
		return blocks;
	assert(pt->hiding_pages <= pt->base_end);
	shown = (pt->base_end - pt->hiding_pages) * MAPFS_BLOCKS_PER_PAGE;
	/* Older versions recorded 0 for data that takes no blocks. */
	held = d->base->blocks_512 ? d->base->blocks_512 :
				     MAPFS_BLOCKS_PER_PAGE;
	return blocks + (held < shown ? held : shown);
}

void overlay_attr_of_delta(const struct delta *d, struct mapfs_attr *out)
{
	*out = (struct mapfs_attr){
		.ino = d->attr.ino,
		.mode = d->attr.mode,
		.nlink = d->attr.nlink,
		.uid = d->attr.uid,
		.gid = d->attr.gid,
		.rdev = makedev((unsigned int)(d->rdev >> 32),
				(unsigned int)d->rdev),
		.size_bytes = d->attr.size_bytes,
		.blocks_512 = delta_blocks(d),
		.atime = d->attr.atime,
		.mtime = d->attr.mtime,
		.ctime = d->attr.ctime,
		.btime = d->btime,
	};
}

int overlay_fill_attr(struct overlay *o, struct inode *i,
		      struct mapfs_attr *out)
{
	struct rwlock *stripe = delta_stripe(&o->set, i);
	struct statx stx;
	bool foreign;
	bool changed;
	int err;

	rwlock_read(stripe);
	changed = i->delta != NULL;
	if (changed)
		overlay_attr_of_delta(i->delta, out);
	rwlock_unlock(stripe);
	if (changed)
		return 0;
	if (i->is_stand_in)
		return overlay_stand_in_attr(o, i, out);
	if (i->is_foreign && i->base_parent)
		err = base_stat(o->base, i->base_parent, i->base_name, &stx,
				&foreign);
	else
		err = base_stat(o->base, i, NULL, &stx, &foreign);
	if (S_ISDIR(i->type) && overlay_lost_dir(o, i, err))
		return overlay_stand_in_attr(o, i, out);
	if (!err)
		view_attr_of(&stx, i->ino, out);
	return err;
}

int overlay_fill_entry(struct overlay *o, struct inode *i,
		       struct mapfs_entry *out)
{
	struct mapfs_entry e = { 0 };
	int err = overlay_fill_attr(o, i, &e.attr);

	if (err)
		return err;
	e.generation = i->generation;
	inode_count_lookup(o->itable, i);
	*out = e;
	return 0;
}

int overlay_getattr(struct mapfs_view *v, struct mapfs_file file,
		    struct mapfs_attr *out)
{
	struct overlay *o = overlay_of(v);
	struct inode *i;
	int err = overlay_get(o, file.ino, &i);

	if (err)
		return err;
	err = overlay_fill_attr(o, i, out);
	overlay_put(o, i);
	return err;
}

/* SPDX-License-Identifier: MIT */
/*
 * Attributes of a copy view: the delta's where there is one, else the base's.
 */
#include "overlay_priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void attr_from_statx(const struct statx *stx, mapfs_ino ino,
			    struct mapfs_attr *out)
{
	bool has_btime = stx->stx_mask & STATX_BTIME;

	*out = (struct mapfs_attr){
		.ino = ino,
		.mode = stx->stx_mode,
		.nlink = stx->stx_nlink,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.rdev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor),
		.size_bytes = stx->stx_size,
		.blocks_512 = base_blocks(stx),
		.atime = { stx->stx_atime.tv_sec, stx->stx_atime.tv_nsec },
		.mtime = { stx->stx_mtime.tv_sec, stx->stx_mtime.tv_nsec },
		.ctime = { stx->stx_ctime.tv_sec, stx->stx_ctime.tv_nsec },
		.btime = { stx->stx_btime.tv_sec,
			   has_btime ? (long)stx->stx_btime.tv_nsec : -1 },
	};
}

/*
 * Never too few: tar takes a file of 0 blocks for one hole, and would lose
 * what is in it.  How much of what the base holds lies in the pages that
 * still show is not known, but all of it may.
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
	/* What older versions recorded of data that takes no blocks. */
	held = d->base->blocks_512 ? d->base->blocks_512 :
				     MAPFS_BLOCKS_PER_PAGE;
	return blocks + (held < shown ? held : shown);
}

static void attr_from_delta(const struct delta *d, struct mapfs_attr *out)
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
		attr_from_delta(i->delta, out);
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
		attr_from_statx(&stx, i->ino, out);
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

/* What write(2), truncate(2) and chown(2) do to set-id bits: inode(7). */
static void attr_kill_priv(struct record_attr *a, bool kill_sgid)
{
	if (S_ISDIR(a->mode))
		return;
	a->mode &= ~(uint32_t)S_ISUID;
	if (kill_sgid || (a->mode & S_IXGRP))
		a->mode &= ~(uint32_t)S_ISGID;
}

bool overlay_touch(const struct overlay *o, struct record_attr *a)
{
	if (o->view.kernel_times)
		return false;
	a->mtime = overlay_now();
	a->ctime = a->mtime;
	return true;
}

static void set_times(const struct overlay *o, struct record_attr *a,
		      const struct mapfs_setattr *set)
{
	const struct timespec now = overlay_now();

	if (set->valid & MAPFS_SET_ATIME_NOW)
		a->atime = now;
	else if (set->valid & MAPFS_SET_ATIME)
		a->atime = set->atime;
	if (set->valid & MAPFS_SET_MTIME_NOW)
		a->mtime = now;
	else if (set->valid & MAPFS_SET_MTIME)
		a->mtime = set->mtime;
	else if (set->valid & MAPFS_SET_SIZE)
		a->mtime = now;
	if (set->valid & MAPFS_SET_CTIME)
		a->ctime = set->ctime;
	else if (!o->view.kernel_times || !S_ISREG(a->mode))
		a->ctime = now;
}

/* Everything of a setattr as records; the stripe is held. */
static int add_setattr(struct overlay *o, struct inode *i, struct group *g,
		       struct fresh_pages *fresh,
		       const struct mapfs_setattr *set)
{
	struct record_attr a = i->delta->attr;
	bool chown = set->valid & (MAPFS_SET_UID | MAPFS_SET_GID);
	int err = 0;

	if (set->valid & MAPFS_SET_UID)
		a.uid = set->uid;
	if (set->valid & MAPFS_SET_GID)
		a.gid = set->gid;
	if (chown || (set->valid & MAPFS_SET_KILL_PRIV))
		attr_kill_priv(&a, set->valid & MAPFS_SET_KILL_SGID);
	if (set->valid & MAPFS_SET_MODE) {
		a.mode = (a.mode & S_IFMT) | (set->mode & ~(mode_t)S_IFMT);
		err = overlay_add_acl_chmod(o, i, g, a.mode);
	}
	if (!err && (set->valid & MAPFS_SET_SIZE))
		err = overlay_add_truncate(o, i, g, fresh, &a, set->size_bytes);
	if (!err && (chown || (set->valid & MAPFS_SET_SIZE)))
		err = overlay_add_drop_caps(o, i, g);
	if (err)
		return err;
	set_times(o, &a, set);
	group_add(g, &(struct record){ .type = RECORD_ATTR, .attr = a });
	return 0;
}

static int setattr_once(struct overlay *o, mapfs_ino ino,
			const struct mapfs_setattr *set, struct mapfs_attr *out)
{
	struct fresh_pages fresh;
	struct inode *i;
	struct group g;
	int err;

	err = overlay_change_begin(o, ino, &i);
	if (err)
		return err;
	group_init(&g);
	fresh_init(&fresh);
	if ((set->valid & MAPFS_SET_SIZE) && !S_ISREG(i->type))
		err = S_ISDIR(i->type) ? -EISDIR : -EINVAL;
	if (!err)
		err = add_setattr(o, i, &g, &fresh, set);
	if (!err)
		err = store_apply(o->store, &g, i);
	if (err)
		fresh_undo(o, &fresh);
	else
		attr_from_delta(i->delta, out);
	group_fini(&g);
	overlay_change_end(o, i);
	return err;
}

int overlay_setattr(struct mapfs_view *v, struct mapfs_file file,
		    const struct mapfs_setattr *set, struct mapfs_attr *out)
{
	struct overlay *o = overlay_of(v);
	const uint64_t made = store_made_room(o->store);
	int err = setattr_once(o, file.ino, set, out);

	if (store_make_room(o->store, err, made))
		err = setattr_once(o, file.ino, set, out);
	return err;
}

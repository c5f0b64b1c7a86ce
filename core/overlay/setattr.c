/* SPDX-License-Identifier: MIT */
/*
 * chmod, chown, truncate and utimes are one operation, which is one group of
 * records.
 */
#include "setattr.h"

#include <errno.h>
#include <sys/stat.h>

#include "attr.h"
#include "damage.h"
#include "fallocate.h"
#include "guard.h"
#include "xattr.h"

struct setattr_ctx {
	struct overlay *o;
	mapfs_ino ino;
	const struct mapfs_setattr *set;
	struct mapfs_attr *out;
};

/* Clears set-id bits as write(2), truncate(2) and chown(2) do: inode(7). */
static void attr_kill_priv(struct record_attr *a, bool kill_sgid)
{
	if (S_ISDIR(a->mode))
		return;
	a->mode &= ~(uint32_t)S_ISUID;
	if (kill_sgid || (a->mode & S_IXGRP))
		a->mode &= ~(uint32_t)S_ISGID;
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

/* The records of a setattr; the stripe is held. */
static int add_setattr(struct new_pages *n, const struct mapfs_setattr *set)
{
	struct record_attr a = n->i->delta->attr;
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
		err = overlay_add_acl_chmod(n->o, n->i, &n->group, a.mode);
	}
	if (!err && (set->valid & MAPFS_SET_SIZE))
		err = overlay_add_truncate(n, &a, set->size_bytes);
	if (!err && (chown || (set->valid & MAPFS_SET_SIZE)))
		err = overlay_add_drop_caps(n->o, n->i, &n->group);
	if (err)
		return err;
	set_times(n->o, &a, set);
	group_add(&n->group,
		  &(struct record){ .type = RECORD_ATTR, .attr = a });
	return 0;
}

static int setattr_once(void *ctx)
{
	const struct setattr_ctx *c = ctx;
	/* A file that is emptied shows no byte of the base any more. */
	const bool cuts = (c->set->valid & MAPFS_SET_SIZE) &&
			  c->set->size_bytes > 0;
	struct new_pages n;
	struct inode *i;
	int err = cuts ? overlay_data_begin(c->o, c->ino, SPACE_FREES, &i) :
			 overlay_change_begin(c->o, c->ino, SPACE_FREES, &i);

	if (err)
		return err;
	new_pages_begin(&n, c->o, i);
	/* Also where truncating through a page copies it: one page at most. */
	n.group.space = SPACE_FREES;
	if ((c->set->valid & MAPFS_SET_SIZE) && !S_ISREG(i->type))
		err = S_ISDIR(i->type) ? -EISDIR : -EINVAL;
	if (!err)
		err = add_setattr(&n, c->set);
	err = new_pages_end(&n, err);
	if (!err)
		overlay_attr_of_delta(i->delta, c->out);
	overlay_change_end(c->o, i);
	return err;
}

int overlay_setattr(struct mapfs_view *v, struct mapfs_file file,
		    const struct mapfs_setattr *set, struct mapfs_attr *out)
{
	struct setattr_ctx c = {
		.o = overlay_of(v),
		.ino = file.ino,
		.set = set,
		.out = out,
	};
	int err;

	err = overlay_retry_full(c.o, setattr_once, &c);
	overlay_tell_damage(c.o);
	return err;
}

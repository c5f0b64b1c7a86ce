/* SPDX-License-Identifier: MIT */
/*
 * A rename is one group of records, whatever is renamed [C3].  A directory of
 * the base keeps its inode, and the inode knows the path of its object in the
 * base, so nothing below the directory changes.
 */
#include "rename.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>

#include "create.h"
#include "link.h"
#include "readdir.h"

struct rename_ctx {
	struct overlay *o;
	const struct mapfs_rename *rename;
	const struct mapfs_cred *whiteout; /* its owner; NULL: none is left */
	bool exchange;
	/* With holds, while rename_once() runs. */
	struct inode *dir;
	struct inode *newdir;
	struct lookup_result src;
	struct lookup_result dst;
};

static bool is_dir(const struct lookup_result *f)
{
	return f->inode && S_ISDIR(f->inode->type);
}

static int check_replacing(struct rename_ctx *r)
{
	bool empty;
	int err;

	if (r->dst.inode->is_foreign)
		return -EBUSY;
	if (r->exchange)
		return 0;
	if (is_dir(&r->src) && !is_dir(&r->dst))
		return -ENOTDIR;
	if (!is_dir(&r->src) && is_dir(&r->dst))
		return -EISDIR;
	if (!is_dir(&r->dst))
		return 0;
	err = overlay_dir_is_empty(r->o, r->dst.inode, &empty);
	if (err)
		return err;
	return empty ? 0 : -ENOTEMPTY;
}

static int check_rename(struct rename_ctx *r)
{
	if (!r->src.inode)
		return -ENOENT;
	if (r->src.inode->is_foreign)
		return -EBUSY;
	if ((r->rename->flags & RENAME_NOREPLACE) && r->dst.inode)
		return -EEXIST;
	if (r->exchange && !r->dst.inode)
		return -ENOENT;
	return r->dst.inode ? check_replacing(r) : 0;
}

/* A name is there less after it if another one is replaced. */
static enum group_space space_of(const struct rename_ctx *r)
{
	return r->dst.inode && !r->exchange && !r->whiteout ? SPACE_FREES :
							      SPACE_GROWS;
}

static int copy_up_all(struct rename_ctx *r)
{
	const enum group_space space = space_of(r);
	int err = overlay_copy_up(r->o, r->dir, false, space);

	if (!err)
		err = overlay_copy_up(r->o, r->newdir, false, space);
	if (!err && r->newdir->delta->attr.nlink == 0)
		err = -ENOENT;
	if (!err)
		err = overlay_copy_up(r->o, r->src.inode, false, space);
	if (!err && r->dst.inode)
		err = overlay_copy_up(r->o, r->dst.inode, false, space);
	return err;
}

/* The inode has moved to `dir`: new ctime, and a directory's "..". */
static void add_moved(struct group *g, const struct inode *i,
		      const struct inode *dir, struct timespec now)
{
	struct record rec = { .type = RECORD_ATTR, .attr = i->delta->attr };

	rec.attr.ctime = now;
	if (S_ISDIR(i->type))
		rec.attr.parent = dir->ino;
	group_add(g, &rec);
}

static void add_replaced(struct group *g, const struct inode *i,
			 struct timespec now)
{
	struct record rec = { .type = RECORD_ATTR, .attr = i->delta->attr };

	rec.attr.ctime = now;
	rec.attr.nlink = S_ISDIR(i->type) ? 0 : rec.attr.nlink - 1;
	group_add(g, &rec);
}

/* How the number of subdirectories of either directory changes. */
static void add_dirs(struct group *g, const struct rename_ctx *r,
		     struct timespec now)
{
	int gone = is_dir(&r->src) ? 1 : 0;
	int added = gone;

	if (r->dst.inode && is_dir(&r->dst)) {
		added--;
		if (r->exchange)
			gone--;
	}
	if (r->dir == r->newdir) {
		overlay_add_dir_change(g, r->dir, added - gone, now);
		return;
	}
	overlay_add_dir_change(g, r->dir, -gone, now);
	overlay_add_dir_change(g, r->newdir, added, now);
}

/*
 * A device at the old name.  The group has removed that name before, so the
 * moved object keeps its place in a listing, as without a whiteout.
 */
static int add_whiteout(struct group *g, const struct rename_ctx *r)
{
	/* The group has a record already that hides the base's object. */
	const struct lookup_result was = {
		.in_delta = true,
		.over_base = r->src.over_base,
	};
	struct inode i = { .type = S_IFCHR };
	int err = overlay_add_whiteout(r->o, g, r->whiteout, r->dir, &i.ino);

	if (!err)
		overlay_add_name(g, r->dir, r->rename->name, &was, &i);
	return err;
}

static int commit_rename(struct rename_ctx *r)
{
	const struct timespec now = overlay_now();
	struct group g;
	int err = 0;

	group_init(&g);
	g.space = space_of(r);
	overlay_add_name(&g, r->dir, r->rename->name, &r->src,
			 r->exchange ? r->dst.inode : NULL);
	overlay_add_name(&g, r->newdir, r->rename->newname, &r->dst,
			 r->src.inode);
	if (r->whiteout)
		err = add_whiteout(&g, r);
	add_moved(&g, r->src.inode, r->newdir, now);
	if (r->exchange)
		add_moved(&g, r->dst.inode, r->dir, now);
	else if (r->dst.inode)
		add_replaced(&g, r->dst.inode, now);
	add_dirs(&g, r, now);
	if (!err)
		err = store_apply(r->o->store, &g, NULL);
	group_fini(&g);
	return err;
}

/* ns_lock held for writing. */
static int rename_locked(struct rename_ctx *r)
{
	int err = overlay_find(r->o, r->dir, r->rename->name, &r->src);

	if (!err)
		err = overlay_find(r->o, r->newdir, r->rename->newname,
				   &r->dst);
	if (!err)
		err = check_rename(r);
	/* rename(2): if both are names of one file, nothing happens. */
	if (!err && r->src.inode == r->dst.inode)
		return 0;
	if (!err)
		err = copy_up_all(r);
	return err ? err : commit_rename(r);
}

static int rename_once(void *ctx)
{
	struct rename_ctx *r = ctx;
	struct overlay *o = r->o;
	int err = overlay_dir_get(o, r->rename->dir, &r->dir);

	r->src = (struct lookup_result){ 0 };
	r->dst = (struct lookup_result){ 0 };
	if (err)
		return err;
	err = overlay_dir_get(o, r->rename->newdir, &r->newdir);
	if (err) {
		overlay_put(o, r->dir);
		return err;
	}
	rwlock_write(&o->ns_lock);
	err = rename_locked(r);
	rwlock_unlock(&o->ns_lock);
	if (r->src.inode)
		overlay_put(o, r->src.inode);
	if (r->dst.inode)
		overlay_put(o, r->dst.inode);
	overlay_put(o, r->newdir);
	overlay_put(o, r->dir);
	return err;
}

int overlay_rename(struct mapfs_view *v, const struct mapfs_cred *whiteout,
		   const struct mapfs_rename *rename)
{
	struct rename_ctx r = {
		.o = overlay_of(v),
		.rename = rename,
		.whiteout = whiteout,
		.exchange = rename->flags & RENAME_EXCHANGE,
	};

	return overlay_retry_full(r.o, rename_once, &r);
}

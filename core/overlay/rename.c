/* SPDX-License-Identifier: MIT */
/*
 * Rename in a copy view: one group, whatever is renamed [C3].  A base
 * directory keeps its inode, and its inode knows the way to its object in the
 * base, so nothing below it has to be touched.
 */
#include "overlay_priv.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>

struct renaming {
	struct overlay *o;
	struct inode *dir;
	const char *name;
	struct found src;
	struct inode *newdir;
	const char *newname;
	struct found dst;
	bool exchange;
	const struct mapfs_cred *whiteout; /* whose; NULL: none is left */
};

static bool is_dir(const struct found *f)
{
	return f->inode && S_ISDIR(f->inode->type);
}

static int check_replacing(struct renaming *r)
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

static int check_rename(struct renaming *r, unsigned int flags)
{
	if (!r->src.inode)
		return -ENOENT;
	if (r->src.inode->is_foreign)
		return -EBUSY;
	if ((flags & RENAME_NOREPLACE) && r->dst.inode)
		return -EEXIST;
	if (r->exchange && !r->dst.inode)
		return -ENOENT;
	return r->dst.inode ? check_replacing(r) : 0;
}

static int copy_up_all(struct renaming *r)
{
	int err = overlay_copy_up(r->o, r->dir, false);

	if (!err)
		err = overlay_copy_up(r->o, r->newdir, false);
	if (!err && r->newdir->delta->attr.nlink == 0)
		err = -ENOENT;
	if (!err)
		err = overlay_copy_up(r->o, r->src.inode, false);
	if (!err && r->dst.inode)
		err = overlay_copy_up(r->o, r->dst.inode, false);
	return err;
}

/* The inode is in `dir` now: new ctime, and a directory's "..". */
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
static void add_dirs(struct group *g, const struct renaming *r,
		     struct timespec now)
{
	int gone = is_dir(&r->src) ? 1 : 0;
	int come = gone;

	if (r->dst.inode && is_dir(&r->dst)) {
		come--;
		if (r->exchange)
			gone--;
	}
	if (r->dir == r->newdir) {
		overlay_add_dir_change(g, r->dir, come - gone, now);
		return;
	}
	overlay_add_dir_change(g, r->dir, -gone, now);
	overlay_add_dir_change(g, r->newdir, come, now);
}

/*
 * A device at the old name, which was given up in the same group: so the
 * moved object keeps its place before it in a listing, as without a whiteout.
 */
static int add_whiteout(struct group *g, const struct renaming *r)
{
	/* What the base has there has been noted as hidden. */
	const struct found was = {
		.in_delta = true,
		.over_base = r->src.over_base,
	};
	struct inode i = { .type = S_IFCHR };
	int err = overlay_add_whiteout(r->o, g, r->whiteout, r->dir, &i.ino);

	if (!err)
		overlay_add_name(g, r->dir, r->name, &was, &i);
	return err;
}

static int commit_rename(struct renaming *r)
{
	const struct timespec now = overlay_now();
	struct group g;
	int err = 0;

	group_init(&g);
	overlay_add_name(&g, r->dir, r->name, &r->src,
			 r->exchange ? r->dst.inode : NULL);
	overlay_add_name(&g, r->newdir, r->newname, &r->dst, r->src.inode);
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
static int rename_locked(struct renaming *r, unsigned int flags)
{
	int err = overlay_find(r->o, r->dir, r->name, &r->src);

	if (!err)
		err = overlay_find(r->o, r->newdir, r->newname, &r->dst);
	if (!err)
		err = check_rename(r, flags);
	/* POSIX rename(): two names of one file, nothing happens. */
	if (!err && r->src.inode == r->dst.inode)
		return 0;
	if (!err)
		err = copy_up_all(r);
	return err ? err : commit_rename(r);
}

static int rename_once(struct overlay *o, const struct mapfs_cred *whiteout,
		       const struct mapfs_rename *rename)
{
	struct renaming r = {
		.o = o,
		.name = rename->name,
		.newname = rename->newname,
		.exchange = rename->flags & RENAME_EXCHANGE,
		.whiteout = whiteout,
	};
	int err = overlay_dir_get(o, rename->dir, &r.dir);

	if (err)
		return err;
	err = overlay_dir_get(o, rename->newdir, &r.newdir);
	if (err) {
		overlay_put(o, r.dir);
		return err;
	}
	rwlock_write(&o->ns_lock);
	err = rename_locked(&r, rename->flags);
	rwlock_unlock(&o->ns_lock);
	if (r.src.inode)
		overlay_put(o, r.src.inode);
	if (r.dst.inode)
		overlay_put(o, r.dst.inode);
	overlay_put(o, r.newdir);
	overlay_put(o, r.dir);
	return err;
}

int overlay_rename(struct mapfs_view *v, const struct mapfs_cred *whiteout,
		   const struct mapfs_rename *rename)
{
	struct overlay *o = overlay_of(v);
	const uint64_t made = store_made_room(o->store);
	int err = rename_once(o, whiteout, rename);

	if (store_make_room(o->store, err, made))
		err = rename_once(o, whiteout, rename);
	return err;
}

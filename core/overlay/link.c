/* SPDX-License-Identifier: MIT */
/*
 * Removing a name leaves a whiteout if the base has that name, too, and
 * nothing otherwise.
 */
#include "link.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "attr.h"
#include "readdir.h"

struct link_ctx {
	struct overlay *o;
	mapfs_ino ino;
	mapfs_ino dir;
	const char *name;
	struct mapfs_entry *out;
};

struct remove_ctx {
	struct overlay *o;
	mapfs_ino dir;
	const char *name;
	bool want_dir;
};

void overlay_add_name(struct group *g, const struct inode *dir,
		      const char *name, const struct lookup_result *was,
		      const struct inode *i)
{
	const bool says_something = i || was->over_base;

	group_add(g, &(struct record){
		.type = says_something ? RECORD_DENTRY : RECORD_DENTRY_GONE,
		.dentry = {
			.dir = dir->ino,
			.ino = i ? i->ino : 0,
			.type = i ? i->type : 0,
			.over_base = was->over_base,
			.name = name,
			.name_bytes = strlen(name),
		},
	});
	/* By its sum a commit knows whether it deletes what the view showed. */
	if (!was->in_delta && was->over_base && was->inode &&
	    was->inode->delta && was->inode->delta->base)
		group_add(g, &(struct record){
			.type = RECORD_HIDDEN,
			.hidden = {
				.dir = dir->ino,
				.sum = sig_sum(&was->inode->delta->base->sig),
				.name = name,
				.name_bytes = strlen(name),
			},
		});
}

void overlay_add_dir_change(struct group *g, const struct inode *dir, int links,
			    struct timespec now)
{
	struct record r = {
		.type = RECORD_ATTR,
		.attr = dir->delta->attr,
	};

	r.attr.mtime = now;
	r.attr.ctime = now;
	/* Some file systems count no subdirectories, or only so many. */
	if (r.attr.nlink >= 2 && r.attr.nlink < MAPFS_LINK_MAX)
		r.attr.nlink = (uint32_t)((int64_t)r.attr.nlink + links);
	group_add(g, &r);
}

static void add_links(struct group *g, const struct inode *i, int links,
		      struct timespec now)
{
	struct record r = {
		.type = RECORD_ATTR,
		.attr = i->delta->attr,
	};

	r.attr.ctime = now;
	r.attr.nlink = S_ISDIR(i->type) ?
			       0 :
			       (uint32_t)((int64_t)r.attr.nlink + links);
	group_add(g, &r);
}

/* ns_lock held for writing. */
static int link_locked(const struct link_ctx *c, struct inode *i,
		       struct inode *dir)
{
	const struct timespec now = overlay_now();
	struct overlay *o = c->o;
	struct lookup_result was;
	struct group g;
	int err = overlay_find(o, dir, c->name, &was);

	if (!err && was.inode) {
		(void)inode_put(o->itable, was.inode);
		err = -EEXIST;
	}
	if (!err)
		err = overlay_copy_up(o, dir, false, SPACE_GROWS);
	if (!err && dir->delta->attr.nlink == 0)
		err = -ENOENT;
	if (!err)
		err = overlay_copy_up(o, i, false, SPACE_GROWS);
	if (!err && i->delta->attr.nlink >= MAPFS_LINK_MAX)
		err = -EMLINK;
	if (err)
		return err;
	group_init(&g);
	overlay_add_name(&g, dir, c->name, &was, i);
	add_links(&g, i, 1, now);
	overlay_add_dir_change(&g, dir, 0, now);
	err = store_apply(o->store, &g, NULL);
	group_fini(&g);
	return err ? err : overlay_fill_entry(o, i, c->out);
}

static int link_once(void *ctx)
{
	const struct link_ctx *c = ctx;
	struct overlay *o = c->o;
	struct inode *dir;
	struct inode *i;
	int err = overlay_get(o, c->ino, &i);

	if (err)
		return err;
	if (S_ISDIR(i->type))
		err = -EPERM;
	if (!err)
		err = overlay_dir_get(o, c->dir, &dir);
	if (!err) {
		rwlock_write(&o->ns_lock);
		err = link_locked(c, i, dir);
		rwlock_unlock(&o->ns_lock);
		overlay_put(o, dir);
	}
	overlay_put(o, i);
	return err;
}

int overlay_link(struct mapfs_view *v, mapfs_ino ino, mapfs_ino dir,
		 const char *name, struct mapfs_entry *out)
{
	struct link_ctx c = {
		.o = overlay_of(v),
		.ino = ino,
		.dir = dir,
		.name = name,
		.out = out,
	};

	return overlay_retry_full(c.o, link_once, &c);
}

/* May the name be removed, by rmdir(2) or by unlink(2)? */
static int check_removal(struct overlay *o, struct inode *i, bool want_dir)
{
	bool empty;
	int err;

	if (i->is_foreign)
		return -EBUSY;
	if (!want_dir)
		return S_ISDIR(i->type) ? -EISDIR : 0;
	if (!S_ISDIR(i->type))
		return -ENOTDIR;
	err = overlay_dir_is_empty(o, i, &empty);
	if (err)
		return err;
	return empty ? 0 : -ENOTEMPTY;
}

static int remove_locked(struct overlay *o, struct inode *dir, const char *name,
			 const struct lookup_result *was)
{
	const struct timespec now = overlay_now();
	const bool is_dir = S_ISDIR(was->inode->type);
	struct group g;
	int err = overlay_copy_up(o, dir, false, SPACE_FREES);

	if (!err)
		err = overlay_copy_up(o, was->inode, false, SPACE_FREES);
	if (err)
		return err;
	group_init(&g);
	g.space = SPACE_FREES;
	overlay_add_name(&g, dir, name, was, NULL);
	add_links(&g, was->inode, -1, now);
	overlay_add_dir_change(&g, dir, is_dir ? -1 : 0, now);
	err = store_apply(o->store, &g, NULL);
	group_fini(&g);
	return err;
}

static int remove_once(void *ctx)
{
	const struct remove_ctx *c = ctx;
	struct overlay *o = c->o;
	struct lookup_result was = { 0 };
	struct inode *dir;
	int err = overlay_dir_get(o, c->dir, &dir);

	if (err)
		return err;
	rwlock_write(&o->ns_lock);
	err = overlay_find(o, dir, c->name, &was);
	if (!err && !was.inode)
		err = -ENOENT;
	if (!err)
		err = check_removal(o, was.inode, c->want_dir);
	if (!err)
		err = remove_locked(o, dir, c->name, &was);
	rwlock_unlock(&o->ns_lock);
	if (was.inode)
		overlay_put(o, was.inode);
	overlay_put(o, dir);
	return err;
}

static int remove_name(struct mapfs_view *v, mapfs_ino dir, const char *name,
		       bool want_dir)
{
	struct remove_ctx c = {
		.o = overlay_of(v),
		.dir = dir,
		.name = name,
		.want_dir = want_dir,
	};

	return overlay_retry_full(c.o, remove_once, &c);
}

int overlay_unlink(struct mapfs_view *v, mapfs_ino dir, const char *name)
{
	return remove_name(v, dir, name, false);
}

int overlay_rmdir(struct mapfs_view *v, mapfs_ino dir, const char *name)
{
	return remove_name(v, dir, name, true);
}

/* SPDX-License-Identifier: MIT */
/*
 * An object of a side is read through the view whose delta has it, or from the
 * base.  The base is that of the newer view: both views have the same one.
 */
#include "object.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/overlay/read.h"
#include "core/overlay/xattr.h"

static void show_changed(const struct side_inode *si,
			 struct mapfs_diff_side *out)
{
	const struct record_attr *a = &si->attr;

	*out = (struct mapfs_diff_side){
		.ino = a->ino,
		.mode = a->mode,
		.uid = a->uid,
		.gid = a->gid,
		.nlink = a->nlink,
		.size_bytes = a->size_bytes,
		.mtime = a->mtime,
	};
}

static void show_base(const struct base_facts *f, struct mapfs_diff_side *out)
{
	*out = (struct mapfs_diff_side){
		.ino = f->ino,
		.mode = f->mode,
		.uid = f->uid,
		.gid = f->gid,
		.nlink = f->nlink,
		.size_bytes = f->size_bytes,
		.mtime = f->mtime,
	};
}

/* The inode that the base has under the name. */
static int open_base(struct differ *d, const struct diff_name *dn,
		     enum side where, struct diff_object *out)
{
	const struct base_facts *f = dn->facts[where];
	struct diff_dir *dir = dn->dir;
	struct inode *above;
	int err = 0;

	if (!dn->dir || f->is_foreign || base_is_absent(d->to->base))
		return 0;
	if (where == NEW)
		err = dir_on(d, dn->dir, NEW, &dir);
	if (!dir)
		dir = dn->dir;
	if (!err)
		err = dir_inode(d, dir, &above);
	if (!err) {
		const struct inode_facts facts = {
			.ino = f->ino,
			.generation = f->generation,
			.type = f->mode & S_IFMT,
			.parent = above,
			.name = dn->name,
		};

		err = itable_get_or_add(d->to->itable, &facts, &out->inode);
	}
	out->held = !err;
	return err;
}

int object_init(struct differ *d, enum side s,
		const struct object_of_name *which, struct diff_object *out)
{
	const struct base_facts *facts = which->name->facts[which->where];
	struct side_inode *si = side_inode(&d->side[s], which->id);

	*out = (struct diff_object){ .id = which->id, .changed = si };
	if (si) {
		out->o = d->side[s].o;
		out->inode = si->inode;
		out->rdev = si->rdev;
		show_changed(si, &out->shown);
		return 0;
	}
	show_base(facts, &out->shown);
	out->rdev = facts->rdev;
	if (!which->name->dir)
		out->inode = d->root->inode;
	return open_base(d, which->name, which->where, out);
}

void object_fini(struct differ *d, struct diff_object *o)
{
	if (o->held)
		overlay_put(d->to, o->inode);
}

ssize_t object_getxattr(struct differ *d, const struct diff_object *o,
			const char *name, void *buf, size_t len)
{
	if (o->o)
		return overlay_getxattr(&o->o->view, o->inode->ino, name, buf,
					len);
	return base_getxattr(d->to->base, o->inode, name, buf, len);
}

/* It gives rights as a set-uid bit of root does. */
static bool has_capability(struct differ *d, const struct diff_object *o)
{
	return S_ISREG(o->shown.mode) && o->inode &&
	       object_getxattr(d, o, "security.capability", NULL, 0) > 0;
}

static bool owns_xattrs(const struct diff_object *o)
{
	return o->changed && o->changed->owns_xattrs;
}

void objects_show(struct differ *d, const struct diff_object *a,
		  const struct diff_object *b,
		  struct mapfs_diff_side out[SIDES])
{
	const struct diff_object *const both[SIDES] = { a, b };

	for (int s = OLD; s < SIDES; s++) {
		out[s] = both[s]->shown;
		if (S_ISCHR(out[s].mode) || S_ISBLK(out[s].mode))
			out[s].rdev = both[s]->rdev;
	}
	out[OLD].has_capability = has_capability(d, a);
	/* One file, and the xattrs of both are those of the base. */
	if (a->inode == b->inode && !owns_xattrs(a) && !owns_xattrs(b))
		out[NEW].has_capability = out[OLD].has_capability;
	else
		out[NEW].has_capability = has_capability(d, b);
}

ssize_t object_listxattr(struct differ *d, const struct diff_object *o,
			 char *buf, size_t len)
{
	if (o->o)
		return overlay_listxattr(&o->o->view, o->inode->ino, buf, len);
	return o->inode ? base_listxattr(d->to->base, o->inode, buf, len) : 0;
}

ssize_t object_readlink(struct differ *d, const struct diff_object *o,
			char *buf, size_t len)
{
	if (o->o)
		return overlay_readlink(&o->o->view, o->inode->ino, buf, len);
	return base_readlink(d->to->base, o->inode, buf, len);
}

ssize_t object_read(struct differ *d, const struct diff_object *o, void *buf,
		    size_t len, uint64_t off)
{
	if (o->o)
		return overlay_read(&o->o->view, mapfs_file_of(o->inode->ino),
				    buf, len, off);
	return base_read(d->to->base, o->inode, buf, len, off);
}

int object_seek_data(struct differ *d, const struct diff_object *o,
		     uint64_t off, uint64_t *out)
{
	int err;

	if (o->o)
		err = overlay_lseek(&o->o->view, mapfs_file_of(o->inode->ino),
				    off, SEEK_DATA, out);
	else
		err = base_seek(d->to->base, o->inode, off, SEEK_DATA, out);
	if (err == -ENXIO)
		*out = UINT64_MAX;
	return err == -ENXIO ? 0 : err;
}

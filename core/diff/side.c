/* SPDX-License-Identifier: MIT */
/*
 * The delta of a side is copied.  The copy is as large as what changed, and
 * once it is made, the view may change without waiting for the comparison.
 */
#include "side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/timespec.h"

/*
 * Two stores of one origin may have given the same number to different new
 * objects.  Then the new side's object gets an id that no inode has.
 */
#define ID_CLASH (1ULL << 63)

struct side_inode *side_inode(const struct diff_side *side, mapfs_ino id)
{
	struct side_inode *si = NULL;

	if (side->inodes && id)
		HASH_FIND(hh, side->inodes, &id, sizeof(id), si);
	return si;
}

struct side_inode *side_place(const struct diff_side *side, const char *path)
{
	struct side_inode *si = NULL;

	if (side->places)
		HASH_FIND(hh_place, side->places, path, strlen(path), si);
	return si;
}

struct side_dentry *side_dentry(const struct diff_side *side, mapfs_ino dir,
				const char *name, size_t name_bytes)
{
	struct {
		mapfs_ino dir;
		char name[NAME_MAX + 1];
	} key = { .dir = dir };
	struct side_dentry *de = NULL;

	if (!side->dentries || name_bytes > NAME_MAX)
		return NULL;
	memcpy(key.name, name, name_bytes);
	HASH_FIND(hh, side->dentries, &key, sizeof(key.dir) + name_bytes, de);
	return de;
}

static bool same_birth(const struct side_inode *a, const struct delta *b)
{
	return !a->base_path && !b->base &&
	       timespec_is_equal(a->btime, b->btime) &&
	       (a->attr.mode & S_IFMT) == (b->attr.mode & S_IFMT);
}

static mapfs_ino id_of(const struct diff_side *old, mapfs_ino ino,
		       const struct delta *delta)
{
	const struct side_inode *si;

	if (!old || !old->o || delta->base)
		return ino;
	si = side_inode(old, ino);
	return si && !same_birth(si, delta) ? ino | ID_CLASH : ino;
}

/* `i` is taken when this succeeds. */
static int add_inode(struct diff_side *side, const struct diff_side *old,
		     struct inode *i)
{
	const struct delta *delta = i->delta;
	struct side_inode *si = calloc(1, sizeof(*si));
	int err = 0;

	if (!si)
		return -ENOMEM;
	si->id = id_of(old, i->ino, delta);
	si->attr = delta->attr;
	si->rdev = delta->rdev;
	si->btime = delta->btime;
	si->owns_xattrs = delta->owns_xattrs;
	if (delta->base)
		err = inode_base_path(side->o->itable, i, &si->base_path);
	if (!err) {
		HASH_ADD(hh, side->inodes, id, sizeof(si->id), si);
		err = si->hh.tbl ? 0 : -ENOMEM;
	}
	if (!err && si->base_path && si->attr.nlink > 0 &&
	    !side_place(side, si->base_path)) {
		HASH_ADD_KEYPTR(hh_place, side->places, si->base_path,
				strlen(si->base_path), si);
		err = si->hh_place.tbl ? 0 : -ENOMEM;
		if (err)
			HASH_DEL(side->inodes, si);
	}
	if (err) {
		free(si->base_path);
		free(si);
		return err;
	}
	si->inode = i;
	return 0;
}

static int load_inodes(struct diff_side *side, const struct diff_side *old)
{
	struct overlay *o = side->o;
	mapfs_ino *inos = NULL;
	size_t count = 0;
	int err = itable_list_kept(o->itable, &inos, &count);

	for (size_t n = 0; !err && n < count; n++) {
		struct inode *i = itable_get(o->itable, inos[n]);

		if (!i)
			continue;
		err = i->delta ? add_inode(side, old, i) : 0;
		/* ns_lock is held: an orphan is removed at the next put. */
		if (err || !i->delta)
			(void)inode_put(o->itable, i);
	}
	free(inos);
	return err;
}

/* The inode of the delta with this number; NULL: there is none. */
static struct side_inode *find_ino(const struct diff_side *side, mapfs_ino ino)
{
	struct side_inode *si = side_inode(side, ino | ID_CLASH);

	return si ? si : side_inode(side, ino);
}

static int add_dentry(void *arg, const struct dentry *from)
{
	struct diff_side *side = arg;
	struct side_inode *dir = find_ino(side, from->dir);
	struct side_inode *i = from->ino ? find_ino(side, from->ino) : NULL;
	struct side_dentry *de;

	if (!dir || (from->ino && !i))
		return -EUCLEAN;
	de = calloc(1, sizeof(*de) + from->name_bytes + 1);
	if (!de)
		return -ENOMEM;
	de->dir = dir->id;
	de->id = i ? i->id : 0;
	de->type = from->type;
	de->over_base = from->over_base;
	memcpy(de->name, from->name, from->name_bytes);
	HASH_ADD(hh, side->dentries, dir,
		 offsetof(struct side_dentry, name) -
			 offsetof(struct side_dentry, dir) + from->name_bytes,
		 de);
	if (!de->hh.tbl) {
		free(de);
		return -ENOMEM;
	}
	de->next_in_dir = dir->dentries;
	dir->dentries = de;
	if (i) {
		de->next_of_object = i->names;
		i->names = de;
	}
	return 0;
}

int side_load(struct diff_side *side, struct overlay *o,
	      const struct diff_side *old)
{
	int err;

	side->o = o;
	if (!o)
		return 0;
	/* For writing: changes of one file's attributes only read-lock it. */
	rwlock_write(&o->ns_lock);
	err = load_inodes(side, old);
	if (!err)
		err = namespace_iterate(&o->set.names, add_dentry, side);
	rwlock_unlock(&o->ns_lock);
	return err;
}

void side_unload(struct diff_side *side)
{
	struct side_inode *si;
	struct side_inode *next_inode;
	struct side_dentry *de;
	struct side_dentry *next;

	HASH_ITER(hh, side->dentries, de, next) {
		HASH_DEL(side->dentries, de);
		free(de);
	}
	HASH_CLEAR(hh_place, side->places);
	HASH_ITER(hh, side->inodes, si, next_inode) {
		HASH_DEL(side->inodes, si);
		overlay_put(side->o, si->inode);
		free(si->base_path);
		free(si);
	}
}

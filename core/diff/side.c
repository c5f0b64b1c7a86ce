/* SPDX-License-Identifier: MIT */
/*
 * The delta of a side is copied as it is at one moment.  The copy is as large as
 * what changed, and once it is made, the view may change without waiting for the
 * comparison.
 *
 * Copies arrive in any order and from any thread that changes something, so they
 * are only chained; the tables are made of them afterwards.
 */
#include "side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/delta/moment.h"
#include "core/lib/checksum.h"
#include "core/lib/timespec.h"

/*
 * Two stores of one origin may have given the same number to different new
 * objects.  Then the new side's object gets an id that no inode has.
 */
#define ID_CLASH (1ULL << 63)

/* The copies of a moment. */
struct capture {
	struct overlay *o;
	struct rmutex lock;	   /* RANK_LEAF */
	struct pool *mem;	   /* by lock */
	struct side_inode *inodes; /* by lock */
	struct side_dentry *names; /* by lock; chained by next_in_dir */
	int err;		   /* by lock */
};

static struct side_inode *inode_of_place(struct table_link *l)
{
	return (void *)((char *)l - offsetof(struct side_inode, place));
}

static uint64_t inode_hash(const struct table_link *l)
{
	return table_hash_number(((const struct side_inode *)l)->id);
}

static uint64_t path_hash(const char *path)
{
	return checksum64(path, strlen(path), 0);
}

static uint64_t place_hash(const struct table_link *l)
{
	return path_hash(inode_of_place((struct table_link *)l)->base_path);
}

static uint64_t dentry_hash(const struct table_link *l)
{
	const struct side_dentry *de = (const struct side_dentry *)l;

	static_assert(offsetof(struct side_inode, link) == 0 &&
			      offsetof(struct side_dentry, link) == 0,
		      "a cast is enough");
	return checksum64(de->name, de->name_bytes, de->dir);
}

struct side_inode *side_inode(const struct diff_side *side, mapfs_ino id)
{
	struct table_link *l = NULL;

	if (id)
		l = table_chain(&side->inodes, table_hash_number(id));
	while (l && ((struct side_inode *)l)->id != id)
		l = l->next;
	return (struct side_inode *)l;
}

struct side_inode *side_place(const struct diff_side *side, const char *path)
{
	struct table_link *l = table_chain(&side->places, path_hash(path));

	while (l && strcmp(inode_of_place(l)->base_path, path) != 0)
		l = l->next;
	return l ? inode_of_place(l) : NULL;
}

struct side_dentry *side_dentry(const struct diff_side *side, mapfs_ino dir,
				const char *name, size_t name_bytes)
{
	struct table_link *l =
		table_chain(&side->dentries, checksum64(name, name_bytes, dir));

	for (; l; l = l->next) {
		struct side_dentry *de = (struct side_dentry *)l;

		if (de->dir == dir && de->name_bytes == name_bytes &&
		    memcmp(de->name, name, name_bytes) == 0)
			return de;
	}
	return NULL;
}

static bool same_birth(const struct side_inode *a, const struct side_inode *b)
{
	return !a->base_path && !b->base_path &&
	       timespec_is_equal(a->btime, b->btime) &&
	       (a->attr.mode & S_IFMT) == (b->attr.mode & S_IFMT);
}

static mapfs_ino id_of(const struct diff_side *old, const struct side_inode *is)
{
	const mapfs_ino ino = is->inode->ino;
	const struct side_inode *was;

	if (!old || !old->o || is->base_path)
		return ino;
	was = side_inode(old, ino);
	return was && !same_birth(was, is) ? ino | ID_CLASH : ino;
}

static struct side_inode *add_copy_locked(struct capture *c,
					  const char *base_path)
{
	struct side_inode *si = pool_alloc(c->mem, sizeof(*si));

	if (si && base_path) {
		si->base_path = pool_copy(c->mem, base_path, strlen(base_path));
		if (!si->base_path)
			return NULL;
	}
	if (si) {
		si->next = c->inodes;
		c->inodes = si;
	}
	return si;
}

static void capture_inode(void *arg, struct inode *i)
{
	const struct delta *delta = i->delta;
	struct capture *c = arg;
	struct side_inode *si = NULL;
	char *base_path = NULL;
	int err = 0;

	if (delta->base)
		err = inode_base_path(c->o->itable, i, &base_path);
	rmutex_lock(&c->lock);
	if (!err)
		si = add_copy_locked(c, base_path);
	if (si) {
		si->attr = delta->attr;
		si->rdev = delta->rdev;
		si->btime = delta->btime;
		si->owns_xattrs = delta->owns_xattrs;
		si->inode = i;
	} else {
		c->err = err ? err : -ENOMEM;
	}
	rmutex_unlock(&c->lock);
	/* The caller has a hold, too. */
	if (si)
		inode_hold(c->o->itable, i);
	free(base_path);
}

static void capture_name(void *arg, const struct dentry *from)
{
	struct capture *c = arg;
	struct side_dentry *de;

	rmutex_lock(&c->lock);
	de = pool_alloc(c->mem, sizeof(*de) + from->name_bytes + 1);
	if (de) {
		de->dir = from->dir;
		de->id = from->ino;
		de->type = from->type;
		de->over_base = from->over_base;
		de->name_bytes = from->name_bytes;
		memcpy(de->name, from->name, from->name_bytes);
		de->next_in_dir = c->names;
		c->names = de;
	} else {
		c->err = -ENOMEM;
	}
	rmutex_unlock(&c->lock);
}

static void capture_put(void *arg, struct inode *i)
{
	overlay_put(((struct capture *)arg)->o, i);
}

/* All copies of one moment, or an error and some of them. */
static int capture_run(struct capture *c)
{
	const struct moment m = {
		.inode = capture_inode,
		.name = capture_name,
		.put = capture_put,
		.arg = c,
	};
	int err;

	rmutex_init(&c->lock, RANK_LEAF);
	moment_begin(&c->o->set, &m, &c->o->ns_lock);
	err = moment_copy(&c->o->set, &c->o->ns_lock);
	moment_end(&c->o->set, &c->o->ns_lock);
	rmutex_fini(&c->lock);
	return err ? err : c->err;
}

static int add_inode(struct diff_side *side, const struct diff_side *old,
		     struct side_inode *si)
{
	int err;

	si->next = side->all;
	side->all = si;
	si->id = id_of(old, si);
	err = table_insert(&side->inodes, &si->link);
	if (err || !si->base_path || si->attr.nlink == 0 ||
	    side_place(side, si->base_path))
		return err;
	return table_insert(&side->places, &si->place);
}

/* The inode of the delta with this number; NULL: there is none. */
static struct side_inode *find_ino(const struct diff_side *side, mapfs_ino ino)
{
	struct side_inode *si = side_inode(side, ino | ID_CLASH);

	return si ? si : side_inode(side, ino);
}

static int add_dentry(struct diff_side *side, struct side_dentry *de)
{
	struct side_inode *dir = find_ino(side, de->dir);
	struct side_inode *i = de->id ? find_ino(side, de->id) : NULL;

	if (!dir || (de->id && !i))
		return -EUCLEAN;
	de->dir = dir->id;
	de->id = i ? i->id : 0;
	if (table_insert(&side->dentries, &de->link))
		return -ENOMEM;
	de->next_in_dir = dir->dentries;
	dir->dentries = de;
	if (i) {
		de->next_of_object = i->names;
		i->names = de;
	}
	return 0;
}

/* The side has the holds of all inodes, also after an error. */
static int make_tables(struct diff_side *side, const struct diff_side *old,
		       struct capture *c, int err)
{
	while (c->inodes) {
		struct side_inode *si = c->inodes;
		int ret;

		c->inodes = si->next;
		ret = add_inode(side, old, si);
		err = err ? err : ret;
	}
	while (c->names && !err) {
		struct side_dentry *de = c->names;

		c->names = de->next_in_dir;
		err = add_dentry(side, de);
	}
	return err;
}

int side_load(struct diff_side *side, struct overlay *o,
	      const struct diff_side *old, struct pool *mem)
{
	struct capture c = { .o = o, .mem = mem };
	int err;

	side->o = o;
	table_init(&side->inodes, inode_hash);
	table_init(&side->places, place_hash);
	table_init(&side->dentries, dentry_hash);
	side->inodes.mem = mem;
	side->places.mem = mem;
	side->dentries.mem = mem;
	if (!o)
		return 0;
	err = capture_run(&c);
	return make_tables(side, old, &c, err);
}

void side_unload(struct diff_side *side)
{
	table_fini(&side->dentries);
	table_fini(&side->places);
	table_fini(&side->inodes);
	for (; side->all; side->all = side->all->next)
		overlay_put(side->o, side->all->inode);
}

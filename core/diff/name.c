/* SPDX-License-Identifier: MIT */
/*
 * An edge is a name in a directory, whatever the directory is called on
 * either side.  What it leads to on a side is what that side's delta says of
 * the name, else what the base says, as overlay_find() has it.
 */
#include "diff_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct edge_key {
	struct dnode *dir;
	char name[NAME_MAX + 1];
};

/* Bytes of the key in front of the name. */
#define KEY_BYTES offsetof(struct edge_key, name)
static_assert(offsetof(struct edge, name) - offsetof(struct edge, dir) ==
		      KEY_BYTES,
	      "an edge holds its key");

static struct edge *edge_find(const struct differ *d, struct dnode *dir,
			      const char *name, size_t name_bytes)
{
	struct edge_key key = { .dir = dir };
	struct edge *e = NULL;

	if (!d->edges)
		return NULL;
	memcpy(key.name, name, name_bytes);
	HASH_FIND(hh, d->edges, &key, KEY_BYTES + name_bytes, e);
	return e;
}

static int object_of_dentry(const struct differ *d,
			    const struct side_dentry *de, struct object *out)
{
	*out = (struct object){ .id = de->id, .type = de->type };
	if (!S_ISDIR(de->type))
		return 0;
	out->dir = dnode_of_id(d, de->id);
	return out->dir ? 0 : -EUCLEAN;
}

/* The dnode of a directory that the base has as `name` in `dir`. */
static int object_of_base(struct differ *d, const struct dnode *dir,
			  const char *name, const struct base_facts *facts,
			  struct object *out)
{
	const char *sep = *dir->base_path ? "/" : "";
	char *path;
	int err;

	*out = (struct object){
		.id = facts->ino,
		.type = (uint16_t)(facts->mode & S_IFMT),
	};
	if (!S_ISDIR(facts->mode))
		return 0;
	if (asprintf(&path, "%s%s%s", dir->base_path, sep, name) < 0)
		return -ENOMEM;
	err = dnode_of_path(d, path, strlen(path), &out->dir);
	free(path);
	if (!err && facts->is_foreign)
		out->dir->is_foreign = true;
	return err;
}

/*
 * What the side has there of an object that the base lost, as
 * overlay_find_lost() has it.
 */
static int object_of_place(struct differ *d, const struct dnode *dir,
			   const char *name, enum side s, struct object *out)
{
	const struct side_inode *si;
	char *path;

	if (!d->side[s].places || !dir->base_path)
		return 0;
	if (asprintf(&path, "%s%s%s", dir->base_path,
		     *dir->base_path ? "/" : "", name) < 0)
		return -ENOMEM;
	si = side_place(&d->side[s], path);
	free(path);
	if (!si)
		return 0;
	*out = (struct object){
		.id = si->id,
		.type = (uint16_t)(si->attr.mode & S_IFMT),
	};
	if (!S_ISDIR(si->attr.mode))
		return 0;
	out->dir = dnode_of_id(d, si->id);
	return out->dir ? 0 : -EUCLEAN;
}

static int resolve(struct differ *d, struct edge *e, enum side s)
{
	const struct base_facts *f = &e->facts[s];
	const struct side_dentry *de;
	struct dnode *dir;
	int err = dnode_on(d, e->dir, s, &dir);

	if (err || !dir)
		return err;
	de = side_dentry(&d->side[s], dir->id, e->name, strlen(e->name));
	if (de)
		return object_of_dentry(d, de, &e->object[s]);
	if (!f->ino || !side_inode(&d->side[s], f->ino))
		err = object_of_place(d, dir, e->name, s, &e->object[s]);
	if (err || e->object[s].id || !f->ino)
		return err;
	return object_of_base(d, dir, e->name, f, &e->object[s]);
}

/*
 * Without a base, what the view says of it must do: a name that it hides or
 * replaces was there, and so was what it changed.
 */
static int recall_base(struct differ *d, struct edge *e)
{
	const struct side_dentry *de = side_dentry(&d->side[NEW], e->dir->id,
						   e->name, strlen(e->name));
	struct object was = { 0 };
	int err = object_of_place(d, e->dir, e->name, NEW, &was);

	if (!err && !was.id && de && de->over_base)
		was.id = ANOTHER_OBJECT | ++d->unseen;
	e->facts[OLD] = (struct base_facts){ .ino = was.id, .mode = was.type };
	return err;
}

static int look_at_base(struct differ *d, struct edge *e)
{
	struct dnode *dir;
	int err = base_is_absent(d->to->base) ?
			  recall_base(d, e) :
			  dnode_base_lookup(d, e->dir, e->name, &e->facts[OLD]);

	if (err || base_is_absent(d->to->base))
		return err;
	e->facts[NEW] = e->facts[OLD];
	err = dnode_on(d, e->dir, NEW, &dir);
	/* Twins: each has its own in the base, or the new one has none. */
	if (!err && dir && dir != e->dir)
		err = dnode_base_lookup(d, dir, e->name, &e->facts[NEW]);
	return err;
}

/* The dnode that stands for the directory in the keys of edges. */
static int canonical(struct differ *d, struct dnode *dir, struct dnode **out)
{
	bool present = true;
	int err = 0;

	if (dir->twin)
		err = dnode_is_present(d, dir, OLD, &present);
	*out = present ? dir : dir->twin;
	return err;
}

int edge_add(struct differ *d, struct dnode *dir, const char *name,
	     size_t name_bytes, struct edge **out)
{
	struct edge *e;
	int err = canonical(d, dir, &dir);

	assert(name_bytes <= NAME_MAX);
	if (err)
		return err;
	*out = edge_find(d, dir, name, name_bytes);
	if (*out)
		return 0;
	e = calloc(1, sizeof(*e) + name_bytes + 1);
	if (!e)
		return -ENOMEM;
	e->dir = dir;
	memcpy(e->name, name, name_bytes);
	HASH_ADD(hh, d->edges, dir, KEY_BYTES + name_bytes, e);
	if (!e->hh.tbl) {
		free(e);
		return -ENOMEM;
	}
	err = look_at_base(d, e);
	for (int s = OLD; s < SIDES && !err; s++)
		err = resolve(d, e, s);
	*out = e;
	return err;
}

int edge_add_root(struct differ *d)
{
	struct base_facts *facts;
	struct statx stx = { .stx_ino = d->root->id, .stx_mode = S_IFDIR };
	struct edge *e;
	bool foreign;
	int err = 0;

	if (!base_is_absent(d->to->base))
		err = base_stat(d->to->base, d->root->inode, NULL, &stx,
				&foreign);
	if (err)
		return err;
	e = calloc(1, sizeof(*e) + 1);
	if (!e)
		return -ENOMEM;
	HASH_ADD(hh, d->edges, dir, KEY_BYTES, e);
	if (!e->hh.tbl) {
		free(e);
		return -ENOMEM;
	}
	facts = &e->facts[OLD];
	facts->ino = stx.stx_ino;
	facts->mode = stx.stx_mode;
	facts->nlink = stx.stx_nlink;
	facts->uid = stx.stx_uid;
	facts->gid = stx.stx_gid;
	facts->size_bytes = stx.stx_size;
	facts->mtime = (struct timespec){ stx.stx_mtime.tv_sec,
					  stx.stx_mtime.tv_nsec };
	e->facts[NEW] = *facts;
	for (int s = OLD; s < SIDES; s++)
		e->object[s] = (struct object){
			.id = d->root->id,
			.type = S_IFDIR,
			.dir = d->root,
		};
	return 0;
}

void edges_unload(struct differ *d)
{
	struct edge *e;
	struct edge *next;

	HASH_ITER(hh, d->edges, e, next) {
		HASH_DEL(d->edges, e);
		free(e);
	}
}

int edge_object(struct differ *d, const struct edge *e, enum side s,
		struct object *out)
{
	bool moved = false;
	int err = 0;

	if (e->object[s].dir)
		err = dnode_is_moved(d, e->object[s].dir, &moved);
	*out = e->object[s];
	if (moved)
		*out = (struct object){ 0 };
	return err;
}

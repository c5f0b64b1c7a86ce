/* SPDX-License-Identifier: MIT */
/*
 * A name in a directory, wherever the sides have the directory.  The delta of a
 * side decides its target on that side; if the delta has no such name, the
 * base decides.  The rules are those of overlay_find().
 */
#include "name.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/path.h"
#include "core/lib/timespec.h"
#include "core/overlay/lookup.h"
#include "core/overlay/lost.h"

struct name_key {
	struct diff_dir *dir;
	char name[NAME_MAX + 1];
};

/* Bytes of the key in front of the name. */
#define KEY_BYTES offsetof(struct name_key, name)
static_assert(offsetof(struct diff_name, name) -
			      offsetof(struct diff_name, dir) ==
		      KEY_BYTES,
	      "a name holds its key");

static struct diff_name *name_find(const struct differ *d, struct diff_dir *dir,
				   const char *name, size_t name_bytes)
{
	struct name_key key = { .dir = dir };
	struct diff_name *dn = NULL;

	if (!d->names)
		return NULL;
	memcpy(key.name, name, name_bytes);
	HASH_FIND(hh, d->names, &key, KEY_BYTES + name_bytes, dn);
	return dn;
}

static int object_of_dentry(const struct differ *d,
			    const struct side_dentry *de,
			    struct name_target *out)
{
	*out = (struct name_target){ .id = de->id, .type = de->type };
	if (!S_ISDIR(de->type))
		return 0;
	out->dir = dir_of_id(d, de->id);
	return out->dir ? 0 : -EUCLEAN;
}

/* The object that the base has as `name` in `dir`. */
static int object_of_base(struct differ *d, const struct diff_dir *dir,
			  const char *name, const struct base_facts *facts,
			  struct name_target *out)
{
	char *path;
	int err;

	*out = (struct name_target){
		.id = facts->ino,
		.type = (uint16_t)(facts->mode & S_IFMT),
	};
	if (!S_ISDIR(facts->mode))
		return 0;
	err = path_join(&path, dir->base_path, name);
	if (err)
		return err;
	err = dir_of_path(d, path, strlen(path), &out->dir);
	free(path);
	if (!err && facts->is_foreign)
		out->dir->is_foreign = true;
	return err;
}

/*
 * The object in the side's delta whose place in the base this is.  The base may
 * have lost it; the rules are those of overlay_find_lost().
 */
static int object_of_place(struct differ *d, const struct diff_dir *dir,
			   const char *name, enum side s,
			   struct name_target *out)
{
	const struct side_inode *si;
	char *path;
	int err;

	if (d->side[s].places.count == 0 || !dir->base_path)
		return 0;
	err = path_join(&path, dir->base_path, name);
	if (err)
		return err;
	si = side_place(&d->side[s], path);
	free(path);
	if (!si)
		return 0;
	*out = (struct name_target){
		.id = si->id,
		.type = (uint16_t)(si->attr.mode & S_IFMT),
	};
	if (!S_ISDIR(si->attr.mode))
		return 0;
	out->dir = dir_of_id(d, si->id);
	return out->dir ? 0 : -EUCLEAN;
}

static int resolve(struct differ *d, struct diff_name *dn, enum side s)
{
	const struct base_facts *f = &dn->facts[s];
	const struct side_dentry *de;
	struct diff_dir *dir;
	int err = dir_on(d, dn->dir, s, &dir);

	if (err || !dir)
		return err;
	de = side_dentry(&d->side[s], dir->id, dn->name, strlen(dn->name));
	if (de)
		return object_of_dentry(d, de, &dn->target[s]);
	if (!f->ino || !side_inode(&d->side[s], f->ino))
		err = object_of_place(d, dir, dn->name, s, &dn->target[s]);
	if (err || dn->target[s].id || !f->ino)
		return err;
	return object_of_base(d, dir, dn->name, f, &dn->target[s]);
}

/*
 * Without a base, its names follow from the delta: a name that the view hides
 * or replaces was there, and so was an object that it changed.
 */
static int recall_base(struct differ *d, struct diff_name *dn)
{
	const struct side_dentry *de = side_dentry(&d->side[NEW], dn->dir->id,
						   dn->name, strlen(dn->name));
	struct name_target was = { 0 };
	int err = object_of_place(d, dn->dir, dn->name, NEW, &was);

	if (!err && !was.id && de && de->over_base)
		was.id = ANOTHER_OBJECT | ++d->unseen;
	dn->facts[OLD] = (struct base_facts){ .ino = was.id, .mode = was.type };
	return err;
}

static int look_at_base(struct differ *d, struct diff_name *dn)
{
	struct diff_dir *dir;
	int err =
		base_is_absent(d->to->base) ?
			recall_base(d, dn) :
			dir_base_lookup(d, dn->dir, dn->name, &dn->facts[OLD]);

	if (err || base_is_absent(d->to->base))
		return err;
	dn->facts[NEW] = dn->facts[OLD];
	err = dir_on(d, dn->dir, NEW, &dir);
	/* The replacement has a place of its own in the base, or none. */
	if (!err && dir && dir != dn->dir)
		err = dir_base_lookup(d, dir, dn->name, &dn->facts[NEW]);
	return err;
}

/* The directory that is in the keys of names: the one of the old side. */
static int canonical(struct differ *d, struct diff_dir *dir,
		     struct diff_dir **out)
{
	bool present = true;
	int err = 0;

	if (dir->replacement)
		err = dir_is_present(d, dir, OLD, &present);
	*out = present ? dir : dir->replacement;
	return err;
}

int name_add(struct differ *d, struct diff_dir *dir, const char *name,
	     size_t name_bytes, struct diff_name **out)
{
	struct diff_name *dn;
	int err = canonical(d, dir, &dir);

	assert(name_bytes <= NAME_MAX);
	if (err)
		return err;
	*out = name_find(d, dir, name, name_bytes);
	if (*out)
		return 0;
	dn = calloc(1, sizeof(*dn) + name_bytes + 1);
	if (!dn)
		return -ENOMEM;
	dn->dir = dir;
	memcpy(dn->name, name, name_bytes);
	HASH_ADD(hh, d->names, dir, KEY_BYTES + name_bytes, dn);
	if (!dn->hh.tbl) {
		free(dn);
		return -ENOMEM;
	}
	err = look_at_base(d, dn);
	for (int s = OLD; s < SIDES && !err; s++)
		err = resolve(d, dn, s);
	*out = dn;
	return err;
}

int name_add_root(struct differ *d)
{
	struct base_facts *facts;
	struct statx stx = { .stx_ino = d->root->id, .stx_mode = S_IFDIR };
	struct diff_name *dn;
	bool foreign;
	int err = 0;

	if (!base_is_absent(d->to->base))
		err = base_stat(d->to->base, d->root->inode, NULL, &stx,
				&foreign);
	if (err)
		return err;
	dn = calloc(1, sizeof(*dn) + 1);
	if (!dn)
		return -ENOMEM;
	HASH_ADD(hh, d->names, dir, KEY_BYTES, dn);
	if (!dn->hh.tbl) {
		free(dn);
		return -ENOMEM;
	}
	facts = &dn->facts[OLD];
	facts->ino = stx.stx_ino;
	facts->mode = stx.stx_mode;
	facts->nlink = stx.stx_nlink;
	facts->uid = stx.stx_uid;
	facts->gid = stx.stx_gid;
	facts->size_bytes = stx.stx_size;
	facts->mtime = timespec_of_statx(stx.stx_mtime);
	dn->facts[NEW] = *facts;
	for (int s = OLD; s < SIDES; s++)
		dn->target[s] = (struct name_target){
			.id = d->root->id,
			.type = S_IFDIR,
			.dir = d->root,
		};
	return 0;
}

void names_unload(struct differ *d)
{
	struct diff_name *dn = d->names;

	HASH_CLEAR(hh, d->names);
	while (dn) {
		struct diff_name *next = dn->hh.next;

		free(dn);
		dn = next;
	}
}

int name_target(struct differ *d, const struct diff_name *dn, enum side s,
		struct name_target *out)
{
	bool moved = false;
	int err = 0;

	if (dn->target[s].dir)
		err = dir_is_moved(d, dn->target[s].dir, &moved);
	*out = dn->target[s];
	if (moved)
		*out = (struct name_target){ 0 };
	return err;
}

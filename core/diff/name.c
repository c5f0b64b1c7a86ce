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

#include "core/lib/checksum.h"
#include "core/lib/path.h"
#include "core/lib/timespec.h"
#include "core/overlay/lookup.h"
#include "core/overlay/lost.h"

static uint64_t hash_of(const struct diff_dir *dir, const char *name,
			size_t name_bytes)
{
	return checksum64(name, name_bytes, (uint64_t)(uintptr_t)dir);
}

static uint64_t name_hash(const struct table_link *l)
{
	const struct diff_name *dn = (const struct diff_name *)l;

	static_assert(offsetof(struct diff_name, link) == 0,
		      "a cast is enough");
	return hash_of(dn->dir, dn->name, dn->name_bytes);
}

void names_init(struct differ *d)
{
	table_init(&d->names, name_hash);
	d->names.mem = &d->mem;
}

static struct diff_name *name_find(const struct differ *d,
				   const struct diff_dir *dir, const char *name,
				   size_t name_bytes)
{
	struct table_link *l =
		table_chain(&d->names, hash_of(dir, name, name_bytes));

	for (; l; l = l->next) {
		struct diff_name *dn = (struct diff_name *)l;

		if (dn->dir == dir && dn->name_bytes == name_bytes &&
		    memcmp(dn->name, name, name_bytes) == 0)
			return dn;
	}
	return NULL;
}

static const struct base_facts no_facts;

static int name_create(struct differ *d, struct diff_dir *dir, const char *name,
		       size_t name_bytes, struct diff_name **out)
{
	struct diff_name *dn =
		pool_alloc(&d->mem, sizeof(*dn) + name_bytes + 1);

	if (!dn)
		return -ENOMEM;
	dn->dir = dir;
	dn->name_bytes = (uint16_t)name_bytes;
	memcpy(dn->name, name, name_bytes);
	dn->facts[OLD] = &no_facts;
	dn->facts[NEW] = &no_facts;
	if (table_insert(&d->names, &dn->link))
		return -ENOMEM;
	if (d->last_name)
		d->last_name->next = dn;
	else
		d->first_name = dn;
	d->last_name = dn;
	*out = dn;
	return 0;
}

static int set_facts(struct differ *d, struct diff_name *dn, enum side s,
		     const struct base_facts *facts)
{
	struct base_facts *copy;

	if (facts->ino == 0) {
		dn->facts[s] = &no_facts;
		return 0;
	}
	copy = pool_alloc(&d->mem, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *facts;
	dn->facts[s] = copy;
	return 0;
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
	const struct base_facts *f = dn->facts[s];
	const struct side_dentry *de;
	struct diff_dir *dir;
	int err = dir_on(d, dn->dir, s, &dir);

	if (err || !dir)
		return err;
	de = side_dentry(&d->side[s], dir->id, dn->name, dn->name_bytes);
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
						   dn->name, dn->name_bytes);
	struct name_target was = { 0 };
	int err = object_of_place(d, dn->dir, dn->name, NEW, &was);

	if (!err && !was.id && de && de->over_base)
		was.id = ANOTHER_OBJECT | ++d->unseen;
	return err ? err :
		     set_facts(d, dn, OLD,
			       &(struct base_facts){ .ino = was.id,
						     .mode = was.type });
}

static int look_at_base(struct differ *d, struct diff_name *dn)
{
	struct base_facts facts;
	struct diff_dir *dir;
	int err;

	if (base_is_absent(d->to->base))
		return recall_base(d, dn);
	err = dir_base_lookup(d, dn->dir, dn->name, &facts);
	if (!err)
		err = set_facts(d, dn, OLD, &facts);
	if (err)
		return err;
	dn->facts[NEW] = dn->facts[OLD];
	err = dir_on(d, dn->dir, NEW, &dir);
	/* The replacement has a place of its own in the base, or none. */
	if (!err && dir && dir != dn->dir) {
		err = dir_base_lookup(d, dir, dn->name, &facts);
		if (!err)
			err = set_facts(d, dn, NEW, &facts);
	}
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
	err = name_create(d, dir, name, name_bytes, &dn);
	if (err)
		return err;
	err = look_at_base(d, dn);
	for (int s = OLD; s < SIDES && !err; s++)
		err = resolve(d, dn, s);
	*out = dn;
	return err;
}

int name_add_root(struct differ *d)
{
	struct statx stx = { .stx_ino = d->root->id, .stx_mode = S_IFDIR };
	struct diff_name *dn;
	bool foreign;
	int err = 0;

	if (!base_is_absent(d->to->base))
		err = base_stat(d->to->base, d->root->inode, NULL, &stx,
				&foreign);
	if (!err)
		err = name_create(d, NULL, "", 0, &dn);
	if (!err)
		err = set_facts(
			d, dn, OLD,
			&(struct base_facts){
				.ino = stx.stx_ino,
				.mode = stx.stx_mode,
				.nlink = stx.stx_nlink,
				.uid = stx.stx_uid,
				.gid = stx.stx_gid,
				.size_bytes = stx.stx_size,
				.mtime = timespec_of_statx(stx.stx_mtime),
			});
	if (err)
		return err;
	dn->facts[NEW] = dn->facts[OLD];
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
	table_fini(&d->names);
	d->first_name = NULL;
	d->last_name = NULL;
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

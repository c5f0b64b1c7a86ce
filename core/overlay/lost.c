/* SPDX-License-Identifier: MIT */
/*
 * Objects of the delta that the base lost.
 *
 * Such an object keeps its place.  If the base has no object there any more,
 * the name still leads to the object of the delta: with its attributes and its
 * own pages, while reading bytes that only the base had fails.  If the base has
 * another object there, that one stays hidden: else a file would change under
 * the programs that have it open.
 *
 * If the base lost a directory on the way that the delta never had, a stand-in
 * takes its place.  Nothing is known of the lost directory's owner and mode, so
 * only the owner of the object below may enter the stand-in.
 */
#include "lost.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/path.h"

#define STAND_IN_MODE (S_IFDIR | S_IRUSR | S_IXUSR)
#define STAND_IN_LINKS 2

int overlay_base_path(struct overlay *o, struct inode *dir, const char *name,
		      char **out)
{
	char *above;
	int err = inode_base_path(o->itable, dir, &above);

	if (err)
		return err;
	err = path_join(out, above, name);
	free(above);
	return err;
}

/* Is it an object of the base that the view has changed and still shows? */
static bool is_changed(struct overlay *o, struct inode *i)
{
	bool is;

	rwlock_read(delta_stripe(&o->set, i));
	is = i->delta && i->delta->base && i->delta->attr.nlink > 0;
	rwlock_unlock(delta_stripe(&o->set, i));
	return is;
}

/* Does the delta have an object whose place is below the directory? */
static bool leads_to_changed(struct overlay *o, struct inode *dir)
{
	mapfs_ino ino = 0;
	char *path;

	if (origins_is_empty(&o->set.origins))
		return false;
	if (inode_base_path(o->itable, dir, &path) == 0) {
		ino = origins_below(&o->set.origins, path);
		free(path);
	}
	return ino != 0;
}

bool overlay_lost_dir(struct overlay *o, struct inode *dir, int err)
{
	if (err != -ESTALE && err != -ENOENT && err != -ENOTDIR)
		return false;
	return dir->is_stand_in || overlay_is_in_delta(o, dir) ||
	       leads_to_changed(o, dir);
}

static struct inode *find_changed(struct overlay *o, const char *path)
{
	mapfs_ino ino;

	for (unsigned int n = 0; (ino = origins_get(&o->set.origins, path, n));
	     n++) {
		struct inode *i = itable_get(o->itable, ino);

		if (i && is_changed(o, i))
			return i;
		/*
		 * Not overlay_put(), for ns_lock may be held: an orphan is
		 * removed when the next hold on it ends.
		 */
		if (i)
			(void)inode_put(o->itable, i);
	}
	return NULL;
}

static int find_stand_in(struct overlay *o, struct inode *dir, const char *name,
			 const char *path, struct inode **out)
{
	const struct inode_facts facts = {
		.ino = base_foreign_ino(dir, name),
		.type = S_IFDIR,
		.parent = dir,
		.name = name,
	};
	int err;

	if (origins_below(&o->set.origins, path) == 0)
		return 0;
	err = itable_get_or_add(o->itable, &facts, out);
	if (!err)
		(*out)->is_stand_in = true;
	return err;
}

int overlay_find_lost(struct overlay *o, struct inode *dir, const char *name,
		      bool has_dir, struct inode **out)
{
	char *path;
	int err;

	*out = NULL;
	if (origins_is_empty(&o->set.origins))
		return 0;
	err = overlay_base_path(o, dir, name, &path);
	if (err)
		return err == -ESTALE ? 0 : err;
	*out = find_changed(o, path);
	if (!*out && !has_dir)
		err = find_stand_in(o, dir, name, path, out);
	free(path);
	return err;
}

int overlay_stand_in_attr(struct overlay *o, struct inode *i,
			  struct mapfs_attr *out)
{
	struct inode *below = NULL;
	mapfs_ino ino = 0;
	char *path;
	int err = inode_base_path(o->itable, i, &path);

	if (err)
		return err;
	ino = origins_below(&o->set.origins, path);
	free(path);
	if (ino)
		below = itable_get(o->itable, ino);
	*out = (struct mapfs_attr){
		.ino = i->ino,
		.mode = STAND_IN_MODE,
		.nlink = STAND_IN_LINKS,
		.btime = { 0, -1 },
	};
	if (!below)
		return 0;
	rwlock_read(delta_stripe(&o->set, below));
	if (below->delta) {
		out->uid = below->delta->attr.uid;
		out->gid = below->delta->attr.gid;
	}
	rwlock_unlock(delta_stripe(&o->set, below));
	(void)inode_put(o->itable, below);
	return 0;
}

bool overlay_needs_base(const struct delta *d)
{
	uint64_t end = d->attr.visible_base_bytes;
	struct pt_run run;
	mapfs_pgno at = 0;

	if (!d->base || !S_ISREG(d->attr.mode))
		return false;
	if (end > d->attr.size_bytes)
		end = d->attr.size_bytes;
	while (at < page_ceil(end)) {
		if (!pagetable_next(&d->pages, at, &run) || run.first > at)
			return true;
		at = run.first + run.count;
	}
	return false;
}

bool overlay_has_own_bytes(const struct delta *d)
{
	const uint64_t was = d->base ? d->base->sig.size_bytes : 0;

	return d->pages.arena_pages + d->pages.hole_pages > 0 ||
	       d->attr.size_bytes != was || d->attr.visible_base_bytes != was;
}

/* Does the inode show bytes or names that the delta does not have? */
static bool is_base_needed(const struct inode *i)
{
	const struct delta *d = i->delta;

	if (!d)
		return true;
	switch (d->attr.mode & S_IFMT) {
	case S_IFREG:
		return overlay_needs_base(d);
	case S_IFLNK:
		return !d->target;
	case S_IFDIR:
		return d->base != NULL;
	default:
		return false;
	}
}

/* Does the base still have the object, in the version that `sig` is of? */
static int ask_base(struct overlay *o, struct inode *i,
		    const struct record_sig *sig, bool *has)
{
	struct statx stx;
	bool foreign;
	int err = base_look(o->base, i);

	*has = false;
	if (!err)
		err = base_stat(o->base, i, NULL, &stx, &foreign);
	if (!err)
		*has = !sig || !S_ISREG(i->type) ||
		       overlay_signature_fits(sig, &stx);
	return err == -ESTALE || err == -ENOENT ? 0 : err;
}

int overlay_held(struct mapfs_view *v, mapfs_ino ino, enum mapfs_held *out)
{
	struct overlay *o = overlay_of(v);
	struct record_sig sig;
	struct inode *i;
	bool is_changed;
	bool is_needed;
	bool has = true;
	int err = overlay_get(o, ino, &i);

	if (err)
		return err;
	rwlock_read(delta_stripe(&o->set, i));
	is_changed = i->delta && i->delta->base;
	is_needed = is_base_needed(i) && !i->is_foreign;
	if (is_changed)
		sig = i->delta->base->sig;
	rwlock_unlock(delta_stripe(&o->set, i));
	if (is_needed)
		err = ask_base(o, i, is_changed ? &sig : NULL, &has);
	if (!err && has)
		*out = MAPFS_HELD_ALL;
	else if (!err)
		*out = is_changed ? MAPFS_HELD_PARTS : MAPFS_HELD_NOTHING;
	overlay_put(o, i);
	return err;
}

/* SPDX-License-Identifier: MIT */
/*
 * The after side of a name is the delta's, the before side is what the base has
 * there now.  An object of the base is looked up by the path that the
 * delta has of it; each directory on that path becomes an object of the plan,
 * too.
 */
#include "collect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conflict.h"
#include "core/base/base.h"
#include "core/lib/array.h"
#include "core/lib/beneath.h"
#include "core/lib/path.h"
#include "links.h"
#include "locate.h"
#include "lookup.h"

/* An object that has to be built: the base never had it, or lost it. */
static int add_new(struct planning_ctx *c, struct inode *i,
		   struct plan_object **out)
{
	const struct delta *d = i->delta;
	struct plan_object *o;
	/* Another object of the base may have its number. */
	bool is_known = plan_find_object(c->plan, i->ino) != NULL;
	int err = planning_add_object(c, is_known ? 0 : i->ino, &o);

	if (err)
		return err;
	o->side[PLAN_AFTER].mode = d->attr.mode;
	o->side[PLAN_AFTER].exists = true;
	o->rdev = d->rdev;
	if (d->target) {
		o->target = strdup(d->target);
		if (!o->target)
			return -ENOMEM;
	}
	c->info[o->id].delta = d;
	*out = o;
	return 0;
}

/* The base has another object where this one was, or none. */
static int add_lost(struct planning_ctx *c, struct inode *i,
		    const struct base_place *place, const char *path)
{
	const struct plan_object *there = place->object;
	enum mapfs_conflict_kind kind = MAPFS_CONFLICT_MISSING;
	struct plan_name *n = NULL;
	struct plan_object *o;
	int err;

	/* Removed in the view, too: no conflict. */
	if (i->delta->attr.nlink == 0)
		return 0;
	if (there && plan_type(there) != (i->delta->attr.mode & S_IFMT))
		kind = S_ISDIR(plan_type(there)) || S_ISDIR(i->type) ?
			       MAPFS_CONFLICT_NOT_EMPTY :
			       MAPFS_CONFLICT_TYPE;
	else if (there)
		kind = MAPFS_CONFLICT_CONTENT;
	err = add_new(c, i, &o);
	if (err)
		return err;
	c->info[o->id].is_lost = true;
	if (there)
		c->info[there->id].is_base_only = true;
	if (place->dir != PLAN_NONE &&
	    !namespace_lookup(&c->overlay->set.names,
			      c->plan->objects[place->dir]->ino, place->last,
			      strlen(place->last))) {
		err = plan_get_name(c->plan, place->dir, place->last, &n);
		if (err)
			return err;
		n->object[PLAN_BEFORE] = there ? there->id : PLAN_NONE;
		n->object[PLAN_AFTER] = o->id;
	}
	return conflict_add(c, &(struct new_conflict){
				       .kind = kind,
				       .object = o->id,
				       .name = n,
				       .theirs = there,
				       .path = path,
			       });
}

static int add_inode(struct planning_ctx *c, struct inode *i)
{
	struct base_place place;
	struct plan_object *o;
	char *steps;
	char *path;
	int err;

	if (!i->delta->base)
		return i->delta->attr.nlink == 0 ? 0 : add_new(c, i, &o);
	err = inode_base_path(c->overlay->itable, i, &path);
	if (err)
		return err;
	steps = strdup(path);
	err = steps ? lookup_path(c, steps, &place) : -ENOMEM;
	o = err ? NULL : place.object;
	if (!err && (!o || o->ino != i->ino || plan_type(o) != i->type))
		err = add_lost(c, i, &place, path);
	free(steps);
	free(path);
	return err;
}

static int gather(void *arg, struct inode *i)
{
	struct planning_ctx *c = arg;
	int err = array_reserve_bytes(&c->inodes, sizeof(struct inode *),
				      &c->inode_cap, c->inode_count + 1);

	if (!err)
		c->inodes[c->inode_count++] = i;
	return err;
}

/* Does this name still hide the version of the object that it hid first? */
static int check_hidden(struct planning_ctx *c, const struct plan_name *n,
			const struct dentry *d, struct plan_object *in_base)
{
	const struct object_info *f = &c->info[in_base->id];

	/* An object in the delta is compared itself, a directory by its names. */
	if (f->delta || S_ISDIR(plan_type(in_base)) || !d->hidden ||
	    d->hidden == f->sum)
		return 0;
	in_base->has_drifted = true;
	return conflict_add(c, &(struct new_conflict){
				       .kind = MAPFS_CONFLICT_DELETED,
				       .object = n->object[PLAN_AFTER],
				       .name = n,
				       .theirs = in_base,
			       });
}

/*
 * The object of an inode of the view.  The base may have lost an object and
 * given its number to another one.  The lost one is then found by its delta;
 * NULL: it was removed.
 */
static struct plan_object *object_of(struct planning_ctx *c, mapfs_ino ino)
{
	struct plan_object *o = plan_find_object(c->plan, ino);
	struct inode *i = o ? itable_get(c->overlay->itable, ino) : NULL;
	const struct delta *d = i ? i->delta : NULL;
	const uint32_t type = i ? i->type : 0;

	if (i)
		(void)inode_put(c->overlay->itable, i);
	if (!d || plan_type(o) == type)
		return o;
	for (uint32_t n = 0; n < c->plan->object_count; n++)
		if (c->info[n].delta == d)
			return c->plan->objects[n];
	return NULL;
}

static int add_name(void *arg, const struct dentry *d)
{
	struct planning_ctx *c = arg;
	struct plan_object *dir = object_of(c, d->dir);
	struct plan_object *in_base = NULL;
	struct plan_object *in_view = NULL;
	struct plan_name *n;
	int err;

	/* Its directory was removed, in the view or in the base. */
	if (!dir)
		return 0;
	err = lookup_name(c, dir->id, d->name, &in_base);
	if (!err)
		err = plan_get_name(c->plan, dir->id, d->name, &n);
	if (err)
		return err;
	if (d->ino)
		in_view = object_of(c, d->ino);
	n->object[PLAN_BEFORE] = in_base ? in_base->id : PLAN_NONE;
	n->object[PLAN_AFTER] = in_view ? in_view->id : PLAN_NONE;
	if (!in_base || in_base == in_view)
		return 0;
	if (d->over_base)
		return check_hidden(c, n, d, in_base);
	c->info[in_base->id].is_base_only = true;
	return conflict_add(c, &(struct new_conflict){
				       .kind = MAPFS_CONFLICT_ADDED,
				       .object = n->object[PLAN_AFTER],
				       .name = n,
				       .theirs = in_base,
			       });
}

static bool has_name_after(const struct plan *p, uint32_t id)
{
	for (uint32_t i = p->objects[id]->first_name[PLAN_AFTER];
	     i != PLAN_NONE; i = p->names[i]->next[PLAN_AFTER])
		return true;
	return false;
}

/* A name in a directory of the base that is removed: it is removed, too. */
static int collect_name_below(struct planning_ctx *c,
			      const struct plan_object *dir, const char *name)
{
	struct plan_object *o;
	struct plan_name *n;
	int err;

	if (path_is_dot(name) || plan_find_name(c->plan, dir->id, name))
		return 0;
	err = lookup_name(c, dir->id, name, &o);
	if (err || !o)
		return err;
	err = plan_get_name(c->plan, dir->id, name, &n);
	if (err)
		return err;
	n->object[PLAN_BEFORE] = o->id;
	if (c->info[dir->id].is_base_only) {
		c->info[o->id].is_base_only = true;
		return 0;
	}
	/* Were it known to the view, the delta would have its name. */
	return conflict_add(c, &(struct new_conflict){
				       .kind = MAPFS_CONFLICT_NOT_EMPTY,
				       .object = PLAN_NONE,
				       .name = n,
				       .theirs = o,
			       });
}

static int collect_below(struct planning_ctx *c, struct plan_object *dir)
{
	const struct dirent *e;
	int dirfd = -1;
	int fd;
	int err = locate_dir(c->commit, dir->id, &dirfd);
	DIR *list;

	if (err)
		return err;
	err = beneath_open(dirfd, ".", O_RDONLY | O_DIRECTORY, &fd);
	if (err)
		return commit_ctx_fail(c->commit, dir->id,
				       "cannot list it in the base", err);
	list = fdopendir(fd);
	if (!list) {
		close(fd);
		return -ENOMEM;
	}
	while (!err && (errno = 0, e = readdir(list)))
		err = collect_name_below(c, dir, e->d_name);
	if (!err && errno)
		err = -errno;
	closedir(list);
	return err;
}

/* Lists directories that are removed; that can find more of them. */
static int collect_dead(struct planning_ctx *c)
{
	int err = plan_index(c->plan);

	for (uint32_t i = 0; !err && i < c->plan->name_count; i++) {
		uint32_t id = c->plan->names[i]->object[PLAN_BEFORE];
		struct plan_object *o;

		if (id == PLAN_NONE)
			continue;
		o = c->plan->objects[id];
		if (c->info[id].was_listed || !S_ISDIR(plan_type(o)) ||
		    has_name_after(c->plan, id))
			continue;
		c->info[id].was_listed = true;
		err = collect_below(c, o);
	}
	return err ? err : plan_index(c->plan);
}

int collect_delta(struct planning_ctx *c)
{
	int err = itable_iterate_kept(c->overlay->itable, gather, c);

	if (!err)
		err = lookup_root(c);
	for (size_t i = 0; !err && i < c->inode_count; i++)
		err = add_inode(c, c->inodes[i]);
	if (!err)
		err = namespace_iterate(&c->overlay->set.names, add_name, c);
	if (!err)
		err = collect_dead(c);
	return err ? err : links_find(c);
}

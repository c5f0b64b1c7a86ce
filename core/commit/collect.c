/* SPDX-License-Identifier: MIT */
/*
 * Objects and names.  What the delta says of a name is one side, what the
 * base has there now the other; an object of the base is found by the way the
 * delta remembers, and everything on that way is an object of the plan, too.
 */
#include "collect.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/base.h"

#define LOOK_MASK (STATX_BASIC_STATS | STATX_BTIME)

void collect_init(struct collect *c, struct overlay *o, struct commit_work *w,
		  enum mapfs_resolution resolution)
{
	*c = (struct collect){
		.o = o,
		.w = w,
		.p = w->plan,
		.resolution = resolution,
	};
}

void collect_fini(struct collect *c)
{
	for (size_t i = 0; i < c->conflict_count; i++)
		free(c->conflicts[i].path);
	free(c->conflicts);
	free(c->found);
	free(c->inodes);
	*c = (struct collect){ 0 };
}

static int add_object(struct collect *c, mapfs_ino ino,
		      struct plan_object **out)
{
	struct plan_object *o;
	int err = plan_add_object(c->p, ino, &o);

	if (err)
		return err;
	if (o->id >= c->found_cap) {
		uint32_t cap = c->found_cap ? c->found_cap * 2 : 64;
		struct collected *p = realloc(c->found, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		c->found = p;
		c->found_cap = cap;
	}
	c->found[o->id] = (struct collected){ 0 };
	*out = o;
	return 0;
}

static int read_target(int fd, struct plan_object *o)
{
	char buf[PATH_MAX];
	ssize_t n = readlinkat(fd, "", buf, sizeof(buf));

	if (n < 0)
		return -errno;
	o->target = strndup(buf, (size_t)n);
	return o->target ? 0 : -ENOMEM;
}

static struct timespec time_of(struct statx_timestamp t)
{
	return (struct timespec){ .tv_sec = t.tv_sec, .tv_nsec = t.tv_nsec };
}

static int fill_before(struct collect *c, struct plan_object *o, int fd,
		       const struct statx *stx)
{
	const struct record_sig sig = overlay_sig_of(stx);

	o->side[PLAN_BEFORE] = (struct plan_state){
		.exists = true,
		.mode = stx->stx_mode,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.atime = time_of(stx->stx_atime),
		.mtime = time_of(stx->stx_mtime),
		.size_bytes = S_ISREG(stx->stx_mode) ? stx->stx_size : 0,
	};
	o->rdev = ((uint64_t)stx->stx_rdev_major << 32) | stx->stx_rdev_minor;
	c->found[o->id].nlink = stx->stx_nlink;
	c->found[o->id].is_locked =
		(stx->stx_attributes &
		 (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0;
	c->found[o->id].sum = sig_sum(&sig);
	return S_ISLNK(stx->stx_mode) ? read_target(fd, o) : 0;
}

static int look_at(struct collect *c, int fd, struct plan_object **out)
{
	struct plan_object *o;
	struct statx stx;
	int err = 0;

	if (statx(fd, "", AT_EMPTY_PATH, LOOK_MASK, &stx) < 0)
		return -errno;
	o = plan_find_object(c->p, stx.stx_ino);
	if (!o) {
		err = add_object(c, stx.stx_ino, &o);
		if (!err)
			err = fill_before(c, o, fd, &stx);
		if (!err)
			err = collect_compare(c, o, &stx);
	}
	if (!err)
		*out = o;
	return err;
}

static int refuse_mount(struct collect *c, uint32_t dir, const char *name)
{
	char *path = NULL;
	int err = plan_path(c->p, dir, PLAN_BEFORE, &path);

	if (err)
		return err;
	reason_set(
		c->w->why,
		"%s%s%s: something else is mounted there in the base; unmount it first",
		path, *path ? "/" : "", name);
	free(path);
	return -EXDEV;
}

int collect_base(struct collect *c, uint32_t dir, const char *name,
		 struct plan_object **out)
{
	struct plan_object *o = NULL;
	int dirfd = -1;
	int fd = -1;
	int err;

	*out = NULL;
	if (!c->p->objects[dir]->side[PLAN_BEFORE].exists)
		return 0;
	err = work_dirfd(c->w, dir, &dirfd);
	if (!err)
		err = work_openat(dirfd, name, O_PATH, &fd);
	if (err == -ENOENT || err == -ENOTDIR)
		return 0;
	if (err == -EXDEV)
		return refuse_mount(c, dir, name);
	if (err)
		return work_fail(c->w, dir, name, err);
	err = look_at(c, fd, &o);
	close(fd);
	if (!err && o)
		err = plan_set_home(o, dir, name);
	if (!err)
		*out = o;
	return err;
}

/* Step by step down the path; *out NULL: it leads nowhere. */
int collect_walk(struct collect *c, char *path, struct plan_object **out,
		 uint32_t *dir, char **last)
{
	struct plan_object *at = c->p->objects[PLAN_ROOT];
	char *name = path;
	int err = 0;

	*dir = PLAN_NONE;
	while (at && *name) {
		char *end = name + strcspn(name, "/");
		bool more = *end != '\0';
		struct plan_name *known;

		*end = '\0';
		*dir = at->id;
		*last = name;
		/* It was one once: nothing can be put into it. */
		if (!S_ISDIR(plan_type(at))) {
			at = NULL;
			*dir = PLAN_NONE;
		}
		known = at ? plan_find_name(c->p, at->id, name) : NULL;
		if (known)
			at = known->object[PLAN_BEFORE] == PLAN_NONE ?
				     NULL :
				     c->p->objects[known->object[PLAN_BEFORE]];
		else if (at)
			err = collect_base(c, at->id, name, &at);
		if (err)
			return err;
		if (!at && more)
			*dir = PLAN_NONE;
		name = more ? end + 1 : end;
	}
	*out = at;
	return 0;
}

/* An object that has to be made: it never was in the base, or is lost. */
static int add_new(struct collect *c, struct inode *i, struct plan_object **out)
{
	const struct delta *d = i->delta;
	struct plan_object *o;
	/* Another object of the base may have got its number. */
	bool is_known = plan_find_object(c->p, i->ino) != NULL;
	int err = add_object(c, is_known ? 0 : i->ino, &o);

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
	c->found[o->id].delta = d;
	*out = o;
	return 0;
}

/* Its base object is not where it was, or is another one. */
static int add_lost(struct collect *c, struct inode *i,
		    const struct plan_object *there, uint32_t dir,
		    const char *last, const char *path)
{
	enum mapfs_conflict_kind kind = MAPFS_CONFLICT_MISSING;
	struct plan_name *n = NULL;
	struct plan_object *o;
	int err;

	/* Removed here and there: agreed. */
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
	c->found[o->id].is_lost = true;
	if (there)
		c->found[there->id].is_theirs = true;
	if (dir != PLAN_NONE &&
	    !namespace_lookup(&c->o->set.names, c->p->objects[dir]->ino, last,
			      strlen(last))) {
		err = plan_get_name(c->p, dir, last, &n);
		if (err)
			return err;
		n->object[PLAN_BEFORE] = there ? there->id : PLAN_NONE;
		n->object[PLAN_AFTER] = o->id;
	}
	return collect_add_conflict(c, kind, o->id, n, there, path);
}

static int add_inode(struct collect *c, struct inode *i)
{
	struct plan_object *o;
	char *last = NULL;
	char *steps;
	char *path;
	uint32_t dir;
	int err;

	if (!i->delta->base)
		return i->delta->attr.nlink == 0 ? 0 : add_new(c, i, &o);
	err = inode_base_path(c->o->itable, i, &path);
	if (err)
		return err;
	steps = strdup(path);
	err = steps ? collect_walk(c, steps, &o, &dir, &last) : -ENOMEM;
	if (!err && (!o || o->ino != i->ino || plan_type(o) != i->type))
		err = add_lost(c, i, o, dir, last, path);
	free(steps);
	free(path);
	return err;
}

static int gather(void *arg, struct inode *i)
{
	struct collect *c = arg;
	struct inode **p = c->inodes;

	/* A power of two is full: double it. */
	if ((c->inode_count & (c->inode_count - 1)) == 0) {
		size_t cap = c->inode_count ? c->inode_count * 2 : 1;

		p = realloc(c->inodes, cap * sizeof(struct inode *));
		if (!p)
			return -ENOMEM;
		c->inodes = p;
	}
	p[c->inode_count++] = i;
	return 0;
}

/* Is what this name hides still the version that it hid first? */
static int check_hidden(struct collect *c, const struct plan_name *n,
			const struct dentry *d, struct plan_object *theirs)
{
	const struct collected *f = &c->found[theirs->id];

	/* In the delta: it was compared itself.  A directory: its names are. */
	if (f->delta || S_ISDIR(plan_type(theirs)) || !d->hidden ||
	    d->hidden == f->sum)
		return 0;
	theirs->is_changed = true;
	return collect_add_conflict(c, MAPFS_CONFLICT_DELETED,
				    n->object[PLAN_AFTER], n, theirs, NULL);
}

/*
 * The object of an inode of the view.  The base may have given the number of
 * one that it lost to another object; then the lost one has none in the plan.
 */
static struct plan_object *object_of(struct collect *c, mapfs_ino ino)
{
	struct plan_object *o = plan_find_object(c->p, ino);
	struct inode *i = o ? itable_get(c->o->itable, ino) : NULL;
	const struct delta *d = i ? i->delta : NULL;
	const uint32_t type = i ? i->type : 0;

	if (i)
		(void)inode_put(c->o->itable, i);
	if (!d || plan_type(o) == type)
		return o;
	for (uint32_t n = 0; n < c->p->object_count; n++)
		if (c->found[n].delta == d)
			return c->p->objects[n];
	return NULL;
}

static int add_name(void *arg, const struct dentry *d)
{
	struct collect *c = arg;
	struct plan_object *dir = object_of(c, d->dir);
	struct plan_object *theirs = NULL;
	struct plan_object *ours = NULL;
	struct plan_name *n;
	int err;

	/* Its directory went, here or in the base. */
	if (!dir)
		return 0;
	err = collect_base(c, dir->id, d->name, &theirs);
	if (!err)
		err = plan_get_name(c->p, dir->id, d->name, &n);
	if (err)
		return err;
	if (d->ino)
		ours = object_of(c, d->ino);
	n->object[PLAN_BEFORE] = theirs ? theirs->id : PLAN_NONE;
	n->object[PLAN_AFTER] = ours ? ours->id : PLAN_NONE;
	if (!theirs || theirs == ours)
		return 0;
	if (d->over_base)
		return check_hidden(c, n, d, theirs);
	c->found[theirs->id].is_theirs = true;
	return collect_add_conflict(c, MAPFS_CONFLICT_ADDED,
				    n->object[PLAN_AFTER], n, theirs, NULL);
}

static bool has_name_after(const struct plan *p, uint32_t id)
{
	for (uint32_t i = p->objects[id]->first_name[PLAN_AFTER];
	     i != PLAN_NONE; i = p->names[i]->next[PLAN_AFTER])
		return true;
	return false;
}

int collect_below(struct collect *c, struct plan_object *dir)
{
	const struct dirent *e;
	int dirfd = -1;
	int fd;
	int err = work_dirfd(c->w, dir->id, &dirfd);
	DIR *list;

	if (err)
		return err;
	err = work_openat(dirfd, ".", O_RDONLY | O_DIRECTORY, &fd);
	if (err)
		return work_fail(c->w, dir->id, "cannot list it", err);
	list = fdopendir(fd);
	if (!list) {
		close(fd);
		return -ENOMEM;
	}
	while (!err && (errno = 0, e = readdir(list))) {
		struct plan_object *o;
		struct plan_name *n;

		if (base_is_dot(e->d_name) ||
		    plan_find_name(c->p, dir->id, e->d_name))
			continue;
		err = collect_base(c, dir->id, e->d_name, &o);
		if (err || !o)
			continue;
		err = plan_get_name(c->p, dir->id, e->d_name, &n);
		if (err)
			break;
		n->object[PLAN_BEFORE] = o->id;
		/* The view never saw it, or it would be in the delta. */
		if (c->found[dir->id].is_theirs)
			c->found[o->id].is_theirs = true;
		else
			err = collect_add_conflict(c, MAPFS_CONFLICT_NOT_EMPTY,
						   PLAN_NONE, n, o, NULL);
	}
	if (!err && errno)
		err = -errno;
	closedir(list);
	return err;
}

/* Names in directories that go; they can bring more of those. */
static int collect_dead(struct collect *c)
{
	int err = plan_index(c->p);

	for (uint32_t i = 0; !err && i < c->p->name_count; i++) {
		uint32_t id = c->p->names[i]->object[PLAN_BEFORE];
		struct plan_object *o;

		if (id == PLAN_NONE)
			continue;
		o = c->p->objects[id];
		if (c->found[id].was_listed || !S_ISDIR(plan_type(o)) ||
		    has_name_after(c->p, id))
			continue;
		c->found[id].was_listed = true;
		err = collect_below(c, o);
	}
	return err ? err : plan_index(c->p);
}

static int collect_root(struct collect *c)
{
	struct plan_object *o;
	struct statx stx;
	int err;

	if (statx(c->w->rootfd, "", AT_EMPTY_PATH, LOOK_MASK, &stx) < 0)
		return -errno;
	err = add_object(c, stx.stx_ino, &o);
	if (!err)
		err = fill_before(c, o, c->w->rootfd, &stx);
	return err ? err : collect_compare(c, o, &stx);
}

int collect_delta(struct collect *c)
{
	int err = itable_iterate_kept(c->o->itable, gather, c);

	if (!err)
		err = collect_root(c);
	for (size_t i = 0; !err && i < c->inode_count; i++)
		err = add_inode(c, c->inodes[i]);
	if (!err)
		err = namespace_iterate(&c->o->set.names, add_name, c);
	if (!err)
		err = collect_dead(c);
	return err ? err : collect_links(c);
}

bool collect_is_empty(const struct collect *c)
{
	for (uint32_t i = 0; i < c->p->name_count; i++)
		if (plan_name_changes(c->p->names[i]))
			return false;
	for (uint32_t i = 0; i < c->p->object_count; i++)
		if (c->found[i].delta && !c->found[i].keeps_theirs)
			return false;
	return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * The before state of an object is what the base has now; its bytes that will be
 * overwritten are saved.  The after state is what the view shows.
 */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "copy.h"
#include "core/lib/path.h"
#include "locate.h"
#include "xattr.h"

static uint32_t count_names(const struct plan *p, const struct plan_object *o,
			    enum plan_side side)
{
	uint32_t count = 0;

	for (uint32_t i = o->first_name[side]; i != PLAN_NONE;
	     i = p->names[i]->next[side])
		count++;
	return count;
}

/* Will it have a name in the base after the commit? */
static bool will_exist(const struct planning_ctx *c,
		       const struct plan_object *o)
{
	uint32_t taken = count_names(c->plan, o, PLAN_BEFORE);

	if (o->id == PLAN_ROOT || count_names(c->plan, o, PLAN_AFTER) > 0)
		return true;
	if (!o->side[PLAN_BEFORE].exists)
		return false;
	if (S_ISDIR(plan_type(o)))
		return taken == 0;
	/* A name that was not found is outside of the base; it does not count. */
	return taken < c->info[o->id].nlink && !c->info[o->id].is_wanted;
}

static void touch(struct planning_ctx *c)
{
	for (uint32_t i = 0; i < c->plan->name_count; i++) {
		const struct plan_name *n = c->plan->names[i];

		if (!plan_name_changes(n))
			continue;
		c->plan->objects[n->dir]->is_touched = true;
		for (int side = 0; side < PLAN_SIDES; side++)
			if (n->object[side] != PLAN_NONE)
				c->plan->objects[n->object[side]]->is_touched =
					true;
	}
	/* The staging directory is made and removed in it. */
	c->plan->objects[PLAN_ROOT]->is_touched = true;
}

static void fill_attr(struct plan_state *s, const struct record_attr *a)
{
	s->mode = a->mode;
	s->uid = a->uid;
	s->gid = a->gid;
	s->atime = a->atime;
	s->mtime = a->mtime;
	s->size_bytes = S_ISREG(a->mode) ? a->size_bytes : 0;
}

static int fill_xattrs(struct plan_state *s, const struct delta *d)
{
	int err = 0;

	for (const struct xattr *x = d->xattrs; !err && x; x = x->next)
		err = plan_add_xattr(s, x->name, xattr_value(x),
				     x->value_bytes);
	return err;
}

/* Pages of the store, and holes of the view, up to the end of the file. */
static int fill_runs(struct plan_state *s, const struct delta *d, uint64_t keep)
{
	struct pt_run run;
	mapfs_pgno at = 0;
	int err = 0;

	while (!err && pagetable_next(&d->pages, at, &run)) {
		uint64_t off = run.first * MAPFS_PAGE_SIZE;
		uint64_t end = off + run.count * MAPFS_PAGE_SIZE;
		uint64_t most = run.kind == PT_ARENA ? s->size_bytes : keep;

		at = run.first + run.count;
		if (end > most)
			end = most;
		if (end <= off)
			continue;
		err = plan_add_run(
			s, &(struct plan_run){
				   .off_bytes = off,
				   .len_bytes = end - off,
				   .from_bytes =
					   run.kind == PT_ARENA ?
						   run.apage * MAPFS_PAGE_SIZE :
						   0,
				   .source = run.kind == PT_ARENA ? PLAN_ARENA :
								    PLAN_HOLE,
			   });
	}
	return err;
}

/* Saves the bytes that the after side overwrites or cuts off. */
static int save_data(struct planning_ctx *c, struct plan_object *o, int fd)
{
	const struct plan_state *after = &o->side[PLAN_AFTER];
	struct plan_state *before = &o->side[PLAN_BEFORE];
	char path[PATH_OF_FD_BYTES];
	int err = 0;
	int file;

	path_of_fd(fd, path);
	file = open(path, O_RDONLY | O_NOATIME | O_CLOEXEC);
	if (file < 0 && errno == EPERM)
		file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	for (size_t i = 0; !err && i < after->run_count; i++) {
		uint64_t off = after->runs[i].off_bytes;
		uint64_t end = off + after->runs[i].len_bytes;

		if (end > o->keep_bytes)
			end = o->keep_bytes;
		if (off < end)
			err = copy_save(c->commit, file, off, end - off,
					before);
	}
	if (!err && o->keep_bytes < before->size_bytes)
		err = copy_save(c->commit, file, o->keep_bytes,
				before->size_bytes - o->keep_bytes, before);
	close(file);
	return err;
}

static int fill_data(struct planning_ctx *c, struct plan_object *o,
		     const struct delta *d, int fd)
{
	struct plan_state *after = &o->side[PLAN_AFTER];
	uint64_t old = o->side[PLAN_BEFORE].size_bytes;
	int err;

	o->keep_bytes = d->attr.visible_base_bytes;
	if (o->keep_bytes > after->size_bytes)
		o->keep_bytes = after->size_bytes;
	if (o->keep_bytes > old)
		o->keep_bytes = old;
	err = fill_runs(after, d, o->keep_bytes);
	o->has_data = after->run_count > 0 || o->keep_bytes < old ||
		      after->size_bytes != old;
	if (!err && o->has_data)
		err = save_data(c, o, fd);
	return err;
}

static int fill_new(struct plan_object *o, const struct delta *d)
{
	struct plan_state *after = &o->side[PLAN_AFTER];
	int err;

	fill_attr(after, &d->attr);
	o->is_touched = true;
	o->has_xattrs = d->owns_xattrs;
	err = fill_xattrs(after, d);
	return err ? err : fill_runs(after, d, 0);
}

/* An object that the base has now. */
static int fill_old(struct planning_ctx *c, struct plan_object *o, int fd)
{
	struct plan_state *before = &o->side[PLAN_BEFORE];
	struct plan_state *after = &o->side[PLAN_AFTER];
	const struct delta *d = c->info[o->id].delta;
	int err = 0;

	if (!after->exists) {
		o->has_xattrs = true;
		return xattrs_read(fd, before);
	}
	if (c->info[o->id].keeps_base)
		d = NULL;
	after->mode = before->mode;
	after->uid = before->uid;
	after->gid = before->gid;
	after->atime = before->atime;
	after->mtime = before->mtime;
	after->size_bytes = before->size_bytes;
	if (!d)
		return 0;
	o->is_touched = true;
	fill_attr(after, &d->attr);
	if (d->owns_xattrs) {
		o->has_xattrs = true;
		err = xattrs_read(fd, before);
		if (!err)
			err = fill_xattrs(after, d);
	}
	if (!err && S_ISREG(after->mode))
		err = fill_data(c, o, d, fd);
	return err;
}

int state_find_existing(struct planning_ctx *c)
{
	int err = plan_index(c->plan);

	for (uint32_t i = 0; !err && i < c->plan->object_count; i++)
		c->plan->objects[i]->side[PLAN_AFTER].exists =
			will_exist(c, c->plan->objects[i]);
	return err ? err : plan_index(c->plan);
}

static int fill_object(struct planning_ctx *c, struct plan_object *o)
{
	int fd;
	int err;

	if (!o->side[PLAN_BEFORE].exists) {
		if (!o->side[PLAN_AFTER].exists)
			return 0;
		err = fill_new(o, c->info[o->id].delta);
		return err ? commit_ctx_fail(c->commit, o->id,
					     "cannot plan how to make it",
					     err) :
			     0;
	}
	err = locate_object(c->commit, o->id, &fd);
	if (err)
		return commit_ctx_fail(c->commit, o->id,
				       "cannot find it in the base any more",
				       err);
	err = fill_old(c, o, fd);
	close(fd);
	return err ? commit_ctx_fail(c->commit, o->id,
				     "cannot save what the base has of it",
				     err) :
		     0;
}

/* phases.c changes the mode of such a directory, so it has to be set again. */
static void touch_locked(struct plan *p)
{
	for (uint32_t i = 0; i < p->object_count; i++) {
		struct plan_object *o = p->objects[i];

		for (int side = 0; side < PLAN_SIDES; side++)
			if (S_ISDIR(plan_type(o)) && o->side[side].exists &&
			    (o->side[side].mode & 0700) != 0700)
				o->is_touched = true;
	}
}

/* The numbers that new objects have in the view mean nothing in the base. */
static void forget_numbers(struct plan *p)
{
	for (uint32_t i = 0; i < p->object_count; i++) {
		struct plan_object *o = p->objects[i];

		if (!o->side[PLAN_BEFORE].exists)
			o->ino = 0;
	}
}

static uint64_t count_bytes(const struct plan *p)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < p->object_count; i++) {
		const struct plan_state *s = &p->objects[i]->side[PLAN_AFTER];

		for (size_t r = 0; r < s->run_count; r++)
			if (s->runs[r].source == PLAN_ARENA)
				bytes += s->runs[r].len_bytes;
	}
	return bytes;
}

int state_fill(struct planning_ctx *c)
{
	int err = state_find_existing(c);

	touch(c);
	for (uint32_t i = 0; !err && i < c->plan->object_count; i++)
		err = fill_object(c, c->plan->objects[i]);
	if (err)
		return err;
	touch_locked(c->plan);
	forget_numbers(c->plan);
	c->commit->meter.done_bytes = 0;
	c->commit->meter.all_bytes = count_bytes(c->plan);
	return plan_index(c->plan);
}

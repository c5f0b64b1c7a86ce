/* SPDX-License-Identifier: MIT */
/*
 * Where both the view and somebody else changed the base, and what becomes
 * of it.  Giving in to the base takes a change of a name back; that can take
 * others with it: what had the name loses it, a directory that was to go has
 * to stay, and what cannot be anywhere else returns to where it was.
 */
#include "collect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_time(struct timespec a, struct statx_timestamp b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == (long)b.tv_nsec;
}

static bool same_birth(const struct record_sig *sig, const struct statx *now)
{
	/* What the file system did not tell then was noted as 0. */
	return !(now->stx_mask & STATX_BTIME) || sig->btime.tv_sec == 0 ||
	       same_time(sig->btime, now->stx_btime);
}

static bool same_data(const struct record_sig *sig, const struct statx *now)
{
	return sig->size_bytes == now->stx_size &&
	       same_time(sig->mtime, now->stx_mtime) && same_birth(sig, now);
}

/* Names of a directory are judged singly, so its times do not count. */
static bool is_same(const struct record_sig *sig, const struct statx *now)
{
	if (sig->ino != now->stx_ino || sig->mode != now->stx_mode)
		return false;
	if (S_ISDIR(now->stx_mode))
		return same_birth(sig, now);
	return same_data(sig, now) && same_time(sig->ctime, now->stx_ctime);
}

int collect_compare(struct collect *c, struct plan_object *o,
		    const struct statx *now)
{
	struct collected *f = &c->found[o->id];
	struct inode *i = itable_get(c->o->itable, o->ino);
	const struct delta *d = i ? i->delta : NULL;

	if (d && d->base &&
	    (i == itable_root(c->o->itable) || base_is_of(i, now)))
		f->delta = d;
	if (i)
		(void)inode_put(c->o->itable, i);
	d = f->delta;
	if (!d || !d->base || is_same(&d->base->sig, now))
		return 0;
	o->is_changed = true;
	if (S_ISDIR(now->stx_mode) ?
		    !same_birth(&d->base->sig, now) :
		    !same_data(&d->base->sig, now) && overlay_needs_base(d))
		f->is_lost = true;
	return collect_add_conflict(c,
				    d->attr.nlink ? MAPFS_CONFLICT_CONTENT :
						    MAPFS_CONFLICT_DELETED,
				    o->id, NULL, o, NULL);
}

static struct mapfs_diff_side side_of_delta(const struct delta *d)
{
	if (!d || d->attr.nlink == 0)
		return (struct mapfs_diff_side){ 0 };
	return (struct mapfs_diff_side){
		.ino = d->attr.ino,
		.mode = d->attr.mode,
		.uid = d->attr.uid,
		.gid = d->attr.gid,
		.nlink = d->attr.nlink,
		.size_bytes = d->attr.size_bytes,
		.mtime = d->attr.mtime,
	};
}

static struct mapfs_diff_side side_of_base(const struct collect *c,
					   const struct plan_object *o)
{
	const struct plan_state *s;

	if (!o)
		return (struct mapfs_diff_side){ 0 };
	s = &o->side[PLAN_BEFORE];
	return (struct mapfs_diff_side){
		.ino = o->ino,
		.mode = s->mode,
		.uid = s->uid,
		.gid = s->gid,
		.nlink = c->found[o->id].nlink,
		.size_bytes = s->size_bytes,
		.mtime = s->mtime,
	};
}

int collect_add_conflict(struct collect *c, enum mapfs_conflict_kind kind,
			 uint32_t object, const struct plan_name *n,
			 const struct plan_object *theirs, const char *path)
{
	struct conflict *p =
		realloc(c->conflicts, (c->conflict_count + 1) * sizeof(*p));
	struct conflict *x;

	if (!p)
		return -ENOMEM;
	c->conflicts = p;
	x = &p[c->conflict_count];
	*x = (struct conflict){
		.kind = kind,
		.object = object,
		.name = n ? n->id : PLAN_NONE,
		.theirs = side_of_base(c, theirs),
	};
	if (object != PLAN_NONE)
		x->ours = side_of_delta(c->found[object].delta);
	if (path) {
		x->path = strdup(path);
		if (!x->path)
			return -ENOMEM;
	}
	c->conflict_count++;
	return 0;
}

static int find_paths(struct collect *c)
{
	int err = 0;

	for (size_t i = 0; !err && i < c->conflict_count; i++) {
		struct conflict *x = &c->conflicts[i];

		if (x->path)
			continue;
		if (x->name != PLAN_NONE)
			err = plan_name_path(c->p, c->p->names[x->name],
					     PLAN_BEFORE, &x->path);
		else
			err = plan_path(c->p, x->object, PLAN_BEFORE, &x->path);
	}
	return err;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct conflict *)a)->path,
		      ((const struct conflict *)b)->path);
}

/*
 * Reverting gives a name the object it had before, so an object's names are
 * always among those that it had on either side when they were chained.
 */
static bool has_name(const struct plan *p, uint32_t object, enum plan_side side)
{
	for (int chain = 0; chain < PLAN_SIDES; chain++) {
		uint32_t i = p->objects[object]->first_name[chain];

		for (; i != PLAN_NONE; i = p->names[i]->next[chain])
			if (p->names[i]->object[side] == object)
				return true;
	}
	return false;
}

static void revert(struct collect *c, struct plan_name *n);

/* Every change of a name of this object is taken back. */
static void revert_object(struct collect *c, uint32_t object,
			  enum plan_side side)
{
	const struct plan *p = c->p;

	for (int chain = 0; chain < PLAN_SIDES; chain++) {
		uint32_t i = p->objects[object]->first_name[chain];

		for (; i != PLAN_NONE; i = p->names[i]->next[chain]) {
			struct plan_name *n = p->names[i];

			if (n->object[side] == object && plan_name_changes(n))
				revert(c, n);
		}
	}
}

/* It lost a name: if that was its last, it returns, or never comes. */
static void settle_lost(struct collect *c, uint32_t object)
{
	const struct plan_object *o = c->p->objects[object];

	if (has_name(c->p, object, PLAN_AFTER))
		return;
	if (o->side[PLAN_BEFORE].exists) {
		revert_object(c, object, PLAN_BEFORE);
		return;
	}
	if (!S_ISDIR(plan_type(o)))
		return;
	for (uint32_t i = 0; i < c->p->name_count; i++) {
		struct plan_name *n = c->p->names[i];
		uint32_t old = n->object[PLAN_AFTER];

		if (n->dir != object || old == PLAN_NONE)
			continue;
		n->object[PLAN_AFTER] = PLAN_NONE;
		settle_lost(c, old);
	}
}

/* A directory has one name only; this one, from now on. */
static void settle_back(struct collect *c, uint32_t object,
			const struct plan_name *back)
{
	if (!S_ISDIR(plan_type(c->p->objects[object])))
		return;
	for (uint32_t i = 0; i < c->p->name_count; i++) {
		struct plan_name *n = c->p->names[i];

		if (n != back && n->object[PLAN_AFTER] == object)
			revert(c, n);
		/* The view never had a word on what is in it. */
		if (n->dir == object && c->found[object].is_theirs)
			revert(c, n);
	}
}

static void revert(struct collect *c, struct plan_name *n)
{
	uint32_t old = n->object[PLAN_AFTER];
	uint32_t back = n->object[PLAN_BEFORE];

	if (old == back)
		return;
	n->object[PLAN_AFTER] = back;
	if (old != PLAN_NONE)
		settle_lost(c, old);
	if (back == PLAN_NONE)
		return;
	settle_back(c, back, n);
	/* Something is in that directory again, so it cannot go. */
	if (has_name(c->p, n->dir, PLAN_BEFORE) &&
	    !has_name(c->p, n->dir, PLAN_AFTER))
		revert_object(c, n->dir, PLAN_BEFORE);
}

static void give_in(struct collect *c, const struct conflict *x)
{
	if (x->name != PLAN_NONE) {
		revert(c, c->p->names[x->name]);
		return;
	}
	c->found[x->object].keeps_theirs = true;
	if (!c->p->objects[x->object]->side[PLAN_BEFORE].exists)
		revert_object(c, x->object, PLAN_AFTER);
	else if (x->kind == MAPFS_CONFLICT_DELETED)
		revert_object(c, x->object, PLAN_BEFORE);
}

static int refuse(struct collect *c, const struct conflict *x,
		  const char *because)
{
	reason_set(c->w->why, "%s: %s; use --theirs", x->path, because);
	return -ENODATA;
}

/* What the view does not have it cannot give. */
static int check_ours(struct collect *c, const struct conflict *x)
{
	const struct collected *f;

	if (x->object == PLAN_NONE)
		return 0;
	f = &c->found[x->object];
	if (f->is_lost && f->delta && f->delta->base &&
	    S_ISDIR(f->delta->attr.mode) && f->delta->attr.nlink > 0)
		return refuse(
			c, x,
			"the view knows only parts of this directory, and the rest is gone from the base");
	if (f->is_lost && f->delta && overlay_needs_base(f->delta))
		return refuse(
			c, x,
			"the view changed only parts of it, and the rest is gone from the base");
	if (f->is_lost && !c->p->objects[x->object]->is_changed &&
	    !has_name(c->p, x->object, PLAN_AFTER))
		return refuse(c, x, "its directory is gone from the base");
	return 0;
}

int collect_resolve(struct collect *c)
{
	int err = plan_index(c->p);

	if (!err)
		err = find_paths(c);
	if (err || c->conflict_count == 0)
		return err;
	qsort(c->conflicts, c->conflict_count, sizeof(*c->conflicts), by_path);
	for (size_t i = 0; !err && i < c->conflict_count; i++) {
		if (c->resolution == MAPFS_OURS)
			err = check_ours(c, &c->conflicts[i]);
		else if (c->resolution == MAPFS_THEIRS)
			give_in(c, &c->conflicts[i]);
	}
	return err ? err : plan_index(c->p);
}

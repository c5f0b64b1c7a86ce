/* SPDX-License-Identifier: MIT */
/*
 * Where the base wins a change of a name is taken back, and that can take others
 * back: the object that had got the name loses it, a directory that was to be
 * removed has to stay, and an object that is left without a name returns to the
 * one it had.
 */
#include "resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/writer.h"
#include "core/overlay/lost.h"

static int find_paths(struct planning_ctx *c)
{
	int err = 0;

	for (size_t i = 0; !err && i < c->conflict_count; i++) {
		struct conflict *x = &c->conflicts[i];

		if (x->path)
			continue;
		if (x->name != PLAN_NONE)
			err = plan_name_path(c->plan, c->plan->names[x->name],
					     PLAN_BEFORE, &x->path);
		else
			err = plan_path(c->plan, x->object, PLAN_BEFORE,
					&x->path);
	}
	return err;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct conflict *)a)->path,
		      ((const struct conflict *)b)->path);
}

/*
 * take_back() gives a name the object that it had before.  So all names of an
 * object are always among those that it had on either side when plan_index()
 * made the chains.
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

static void take_back(struct planning_ctx *c, struct plan_name *n);

/* Takes back each change of a name of this object. */
static void take_back_object(struct planning_ctx *c, uint32_t object,
			     enum plan_side side)
{
	const struct plan *p = c->plan;

	for (int chain = 0; chain < PLAN_SIDES; chain++) {
		uint32_t i = p->objects[object]->first_name[chain];

		for (; i != PLAN_NONE; i = p->names[i]->next[chain]) {
			struct plan_name *n = p->names[i];

			if (n->object[side] == object && plan_name_changes(n))
				take_back(c, n);
		}
	}
}

/*
 * The object lost a name.  If that was its last one it returns to its old
 * names, or, if it is new, is not built, with everything in it.
 */
static void find_name_for(struct planning_ctx *c, uint32_t object)
{
	const struct plan_object *o = c->plan->objects[object];

	if (has_name(c->plan, object, PLAN_AFTER))
		return;
	if (o->side[PLAN_BEFORE].exists) {
		take_back_object(c, object, PLAN_BEFORE);
		return;
	}
	if (!S_ISDIR(plan_type(o)))
		return;
	for (uint32_t i = 0; i < c->plan->name_count; i++) {
		struct plan_name *n = c->plan->names[i];
		uint32_t old = n->object[PLAN_AFTER];

		if (n->dir != object || old == PLAN_NONE)
			continue;
		n->object[PLAN_AFTER] = PLAN_NONE;
		find_name_for(c, old);
	}
}

/* A directory has one name; from now on it is this one. */
static void keep_one_name(struct planning_ctx *c, uint32_t object,
			  const struct plan_name *back)
{
	if (!S_ISDIR(plan_type(c->plan->objects[object])))
		return;
	for (uint32_t i = 0; i < c->plan->name_count; i++) {
		struct plan_name *n = c->plan->names[i];

		if (n != back && n->object[PLAN_AFTER] == object)
			take_back(c, n);
		/* The view never knew what is in it. */
		if (n->dir == object && c->info[object].is_base_only)
			take_back(c, n);
	}
}

static void take_back(struct planning_ctx *c, struct plan_name *n)
{
	uint32_t old = n->object[PLAN_AFTER];
	uint32_t back = n->object[PLAN_BEFORE];

	if (old == back)
		return;
	n->object[PLAN_AFTER] = back;
	if (old != PLAN_NONE)
		find_name_for(c, old);
	if (back == PLAN_NONE)
		return;
	keep_one_name(c, back, n);
	/* The directory has a name in it again, so it cannot be removed. */
	if (has_name(c->plan, n->dir, PLAN_BEFORE) &&
	    !has_name(c->plan, n->dir, PLAN_AFTER))
		take_back_object(c, n->dir, PLAN_BEFORE);
}

static void let_base_win(struct planning_ctx *c, const struct conflict *x)
{
	if (x->name != PLAN_NONE) {
		take_back(c, c->plan->names[x->name]);
		return;
	}
	c->info[x->object].keeps_base = true;
	if (!c->plan->objects[x->object]->side[PLAN_BEFORE].exists)
		take_back_object(c, x->object, PLAN_AFTER);
	else if (x->kind == MAPFS_CONFLICT_DELETED)
		take_back_object(c, x->object, PLAN_BEFORE);
}

static int refuse(struct planning_ctx *c, const struct conflict *x,
		  const char *because)
{
	reason_set(c->commit->why, "%s: %s; use --theirs", x->path, because);
	return -ENODATA;
}

/* The view cannot win with an object of which it has only parts. */
static int check_ours(struct planning_ctx *c, const struct conflict *x)
{
	const struct object_info *f;

	if (x->object == PLAN_NONE)
		return 0;
	f = &c->info[x->object];
	if (f->is_lost && f->delta && f->delta->base &&
	    S_ISDIR(f->delta->attr.mode) && f->delta->attr.nlink > 0)
		return refuse(
			c, x,
			"the view knows only parts of this directory, and the rest is gone from the base");
	if (x->kind == MAPFS_CONFLICT_IN_USE &&
	    base_hides_stores(c->overlay->base) && overlay_needs_base(f->delta))
		return refuse(
			c, x,
			"the view changed only parts of it, and another program can change the rest unseen until it ends");
	if (f->is_lost && f->delta && overlay_needs_base(f->delta))
		return refuse(
			c, x,
			"the view changed only parts of it, and the rest is gone from the base");
	if (f->is_lost && !c->plan->objects[x->object]->has_drifted &&
	    !has_name(c->plan, x->object, PLAN_AFTER))
		return refuse(c, x, "its directory is gone from the base");
	return 0;
}

int resolve_conflicts(struct planning_ctx *c)
{
	int err = plan_index(c->plan);

	if (!err)
		err = find_paths(c);
	if (err || c->conflict_count == 0)
		return err;
	qsort(c->conflicts, c->conflict_count, sizeof(*c->conflicts), by_path);
	for (size_t i = 0; !err && i < c->conflict_count; i++) {
		if (c->resolution == MAPFS_OURS)
			err = check_ours(c, &c->conflicts[i]);
		else if (c->resolution == MAPFS_THEIRS)
			let_base_win(c, &c->conflicts[i]);
	}
	return err ? err : plan_index(c->plan);
}

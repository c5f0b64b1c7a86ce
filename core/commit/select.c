/* SPDX-License-Identifier: MIT */
/*
 * Which changes belong to the paths that were asked for.
 *
 * A change of a name belongs to them if its path does, on either side.  So does
 * what cannot be done without it: the new directory above, everything in a new
 * directory or in one that is removed.  But a file or directory that is renamed
 * or linked has other names that change, and these must have been asked for,
 * since no user would expect them to change.
 */
#include "select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

struct select_ctx {
	struct planning_ctx *c;
	const char *const *paths;
	size_t count;
	bool *names; /* by number: does it belong to the paths? */
	/* Chains of the names in a directory. */
	uint32_t *first_in;
	uint32_t *next_in;
	bool has_grown;
};

static bool is_asked_for(const struct select_ctx *s, const char *path)
{
	for (size_t i = 0; i < s->count; i++) {
		size_t len = strlen(s->paths[i]);

		if (len == 0 || (strncmp(path, s->paths[i], len) == 0 &&
				 (path[len] == '\0' || path[len] == '/')))
			return true;
	}
	return false;
}

static int judge_name(const struct select_ctx *s, const struct plan_name *n,
		      bool *is_asked)
{
	*is_asked = false;
	for (int side = 0; side < PLAN_SIDES; side++) {
		char *path;
		int err;

		if (n->object[side] == PLAN_NONE)
			continue;
		err = plan_name_path(s->c->plan, n, (enum plan_side)side,
				     &path);
		if (err == -ENOENT)
			continue;
		if (err)
			return err;
		*is_asked = *is_asked || is_asked_for(s, path);
		free(path);
	}
	return 0;
}

/* Its data and attributes belong to each name that it has in the view. */
static int judge_object(const struct select_ctx *s, struct plan_object *o)
{
	struct object_info *f = &s->c->info[o->id];
	char *path;
	int err;

	for (uint32_t i = o->first_name[PLAN_AFTER]; i != PLAN_NONE;
	     i = s->c->plan->names[i]->next[PLAN_AFTER]) {
		const struct plan_name *n = s->c->plan->names[i];
		bool is_asked;

		err = judge_name(s, n, &is_asked);
		if (err)
			return err;
		f->is_selected = f->is_selected || is_asked;
	}
	err = plan_path(s->c->plan, o->id, PLAN_AFTER, &path);
	if (err)
		return err == -ENOENT ? 0 : err;
	f->is_selected = f->is_selected || is_asked_for(s, path);
	free(path);
	return 0;
}

static void add_name(struct select_ctx *s, const struct plan_name *n)
{
	if (!plan_name_changes(n) || s->names[n->id])
		return;
	s->names[n->id] = true;
	s->has_grown = true;
}

static void add_names_in(struct select_ctx *s, uint32_t dir)
{
	for (uint32_t i = s->first_in[dir]; i != PLAN_NONE; i = s->next_in[i])
		add_name(s, s->c->plan->names[i]);
}

static int chain_by_dir(struct select_ctx *s)
{
	const struct plan *p = s->c->plan;

	s->names = calloc(p->name_count + 1, sizeof(*s->names));
	s->first_in = calloc(p->object_count + 1, sizeof(*s->first_in));
	s->next_in = calloc(p->name_count + 1, sizeof(*s->next_in));
	if (!s->names || !s->first_in || !s->next_in)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->object_count; i++)
		s->first_in[i] = PLAN_NONE;
	for (uint32_t i = p->name_count; i-- > 0;) {
		s->next_in[i] = s->first_in[p->names[i]->dir];
		s->first_in[p->names[i]->dir] = i;
	}
	return 0;
}

/* Names that cannot change without this one, or this one without them. */
static void grow(struct select_ctx *s, const struct plan_name *n)
{
	const struct plan *p = s->c->plan;
	const struct plan_object *dir = p->objects[n->dir];

	if (n->object[PLAN_AFTER] != PLAN_NONE &&
	    !dir->side[PLAN_BEFORE].exists &&
	    dir->first_name[PLAN_AFTER] != PLAN_NONE)
		add_name(s, p->names[dir->first_name[PLAN_AFTER]]);
	for (int side = 0; side < PLAN_SIDES; side++) {
		const struct plan_object *o;

		if (n->object[side] == PLAN_NONE)
			continue;
		o = p->objects[n->object[side]];
		if (S_ISDIR(plan_type(o)) &&
		    o->first_name[plan_other((enum plan_side)side)] ==
			    PLAN_NONE)
			add_names_in(s, o->id);
	}
}

static int refuse(const struct select_ctx *s, const struct plan_name *n,
		  enum plan_side side, const struct plan_name *other,
		  enum plan_side other_side)
{
	struct commit_ctx *ctx = s->c->commit;
	char *path = NULL;
	char *with = NULL;
	int err = plan_name_path(s->c->plan, n, side, &path);

	if (!err)
		err = plan_name_path(s->c->plan, other, other_side, &with);
	if (!err) {
		reason_set(
			ctx->why,
			"%s: it was renamed or linked together with %s; commit both",
			path, with);
		err = -EXDEV;
	}
	free(path);
	free(with);
	return err;
}

/* Each change of a name of the same object must belong to the paths, too. */
static int check_name(const struct select_ctx *s, const struct plan_name *n)
{
	const struct plan *p = s->c->plan;

	for (int side = 0; side < PLAN_SIDES; side++) {
		const struct plan_object *o;

		if (n->object[side] == PLAN_NONE)
			continue;
		o = p->objects[n->object[side]];
		for (int other = 0; other < PLAN_SIDES; other++) {
			uint32_t i = o->first_name[other];

			for (; i != PLAN_NONE; i = p->names[i]->next[other])
				if (plan_name_changes(p->names[i]) &&
				    !s->names[i])
					return refuse(s, n,
						      (enum plan_side)side,
						      p->names[i],
						      (enum plan_side)other);
		}
	}
	return 0;
}

static int choose(struct select_ctx *s)
{
	struct plan *p = s->c->plan;
	int err = 0;

	for (uint32_t i = 0; !err && i < p->name_count; i++)
		if (plan_name_changes(p->names[i]))
			err = judge_name(s, p->names[i], &s->names[i]);
	for (uint32_t i = 0; !err && i < p->object_count; i++)
		err = judge_object(s, p->objects[i]);
	do {
		s->has_grown = false;
		for (uint32_t i = 0; i < p->name_count; i++)
			if (s->names[i])
				grow(s, p->names[i]);
	} while (s->has_grown);
	for (uint32_t i = 0; !err && i < p->name_count; i++)
		if (s->names[i])
			err = check_name(s, p->names[i]);
	return err;
}

static void leave_object(struct select_ctx *s, uint32_t id)
{
	s->c->plan->objects[id]->remains = s->c->info[id].delta != NULL;
}

/* The rest stays as it is, in the base and in the delta. */
static void leave_rest(struct select_ctx *s)
{
	struct plan *p = s->c->plan;

	for (uint32_t i = 0; i < p->name_count; i++) {
		struct plan_name *n = p->names[i];

		for (int side = 0; s->names[i] && side < PLAN_SIDES; side++)
			if (n->object[side] != PLAN_NONE)
				s->c->info[n->object[side]].is_selected = true;
	}
	for (uint32_t i = 0; i < p->object_count; i++) {
		struct object_info *f = &s->c->info[i];

		if (f->is_selected)
			continue;
		f->keeps_base = true;
		leave_object(s, i);
	}
	for (uint32_t i = 0; i < p->name_count; i++) {
		struct plan_name *n = p->names[i];

		if (s->names[i] || !plan_name_changes(n))
			continue;
		/* The delta still has their link counts. */
		for (int side = 0; side < PLAN_SIDES; side++)
			if (n->object[side] != PLAN_NONE)
				leave_object(s, n->object[side]);
		n->object[PLAN_AFTER] = n->object[PLAN_BEFORE];
		n->remains = true;
		p->objects[n->dir]->remains = true;
	}
}

/* Conflicts about the rest do not matter to this commit. */
static void drop_conflicts(struct select_ctx *s)
{
	struct planning_ctx *c = s->c;
	size_t kept = 0;

	for (size_t i = 0; i < c->conflict_count; i++) {
		struct conflict *x = &c->conflicts[i];
		bool is_mine = x->name != PLAN_NONE ?
				       s->names[x->name] :
				       c->info[x->object].is_selected;

		if (is_mine)
			c->conflicts[kept++] = *x;
		else
			free(x->path);
	}
	c->conflict_count = kept;
}

int select_paths(struct planning_ctx *c, const char *const *paths, size_t count)
{
	struct select_ctx s = { .c = c, .paths = paths, .count = count };
	int err;

	if (count == 0)
		return 0;
	c->plan->is_partial = true;
	err = chain_by_dir(&s);
	if (!err)
		err = state_find_existing(c);
	if (!err)
		err = choose(&s);
	if (!err) {
		leave_rest(&s);
		drop_conflicts(&s);
		err = state_find_existing(c);
	}
	free(s.names);
	free(s.first_in);
	free(s.next_in);
	if (err == -EUCLEAN)
		reason_set(
			c->commit->why,
			"%s: directories that are inside each other change places; commit them together",
			paths[0]);
	return err;
}

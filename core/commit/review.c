/* SPDX-License-Identifier: MIT */
/*
 * What people are shown before a commit or an undo begins.  Of a commit that is
 * planned: its conflicts, and what differs between view and base.  Of one that
 * was interrupted, or that has ended and is to be undone: what its plan, which
 * is in the store, would make of the base; the view is not compared then.
 *
 * Contract: core/mapfs.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commit.h"
#include "core/mapfs.h"

int mapfs_commit_conflicts(struct mapfs_commit *c,
			   int (*fn)(void *arg,
				     const struct mapfs_conflict *conflict),
			   void *arg)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < c->planning.conflict_count; i++) {
		const struct conflict *x = &c->planning.conflicts[i];
		const struct mapfs_conflict out = {
			.kind = x->kind,
			.path = x->path,
			.ours = x->ours,
			.theirs = x->theirs,
		};

		if (fn)
			ret = fn(arg, &out);
	}
	return ret ? ret : (int)c->planning.conflict_count;
}

struct preview_ctx {
	struct mapfs_commit *c;
	struct mapfs_commit_totals *totals;
	mapfs_diff_fn fn;
	void *arg;
};

static int conflict_at(const void *path, const void *conflict)
{
	return strcmp(path, ((const struct conflict *)conflict)->path);
}

/* resolve_conflicts() has sorted them by path. */
static const struct conflict *find_conflict(const struct mapfs_commit *c,
					    const char *path)
{
	if (c->planning.conflict_count == 0)
		return NULL;
	return bsearch(path, c->planning.conflicts, c->planning.conflict_count,
		       sizeof(*c->planning.conflicts), conflict_at);
}

static bool is_lost_dir(const struct mapfs_commit *c, const struct conflict *x)
{
	const struct object_info *f;

	if (x->object == PLAN_NONE)
		return false;
	f = &c->planning.info[x->object];
	return f->is_lost && f->delta && S_ISDIR(f->delta->attr.mode);
}

/* Does the base win there, or in a directory above that it lost? */
static bool is_given_up(const struct mapfs_commit *c, const char *path)
{
	const struct conflict *x = find_conflict(c, path);
	char *above;
	char *slash;

	if (x || c->opt.resolution != MAPFS_THEIRS)
		return x && c->opt.resolution == MAPFS_THEIRS;
	above = strdup(path);
	while (above && !x && (slash = strrchr(above, '/'))) {
		*slash = '\0';
		x = find_conflict(c, above);
		if (x && !is_lost_dir(c, x))
			x = NULL;
	}
	free(above);
	return x != NULL;
}

static int plan_entry(void *arg, const struct mapfs_diff_entry *e)
{
	struct preview_ctx *p = arg;
	struct mapfs_commit_totals *t = p->totals;

	if (is_given_up(p->c, e->path))
		return 0;
	switch (e->change) {
	case MAPFS_ADDED:
		t->added++;
		break;
	case MAPFS_MODIFIED:
	case MAPFS_RETYPED:
		t->modified++;
		break;
	case MAPFS_DELETED:
		t->deleted++;
		break;
	case MAPFS_RENAMED:
		t->renamed++;
		break;
	}
	t->bytes += e->bytes;
	return p->fn ? p->fn(p->arg, e) : 0;
}

int mapfs_commit_plan(struct mapfs_commit *c, mapfs_diff_fn fn, void *arg,
		      struct mapfs_commit_totals *totals)
{
	const struct mapfs_diff_options opt = {
		.paths = c->opt.paths,
		.path_count = c->opt.path_count,
	};
	struct preview_ctx p = {
		.c = c, .totals = totals, .fn = fn, .arg = arg
	};

	*totals = (struct mapfs_commit_totals){ 0 };
	if (c->state != COMMIT_PLANNED)
		return -EBUSY;
	return mapfs_diff(NULL, c->view, &opt, plan_entry, &p);
}

static bool has_capability(const struct plan_state *s)
{
	for (size_t n = 0; n < s->xattr_count; n++)
		if (strcmp(s->xattrs[n].name, "security.capability") == 0)
			return true;
	return false;
}

static struct mapfs_diff_side side_of(const struct plan_object *o,
				      const struct plan_state *s)
{
	if (!s->exists)
		return (struct mapfs_diff_side){ 0 };
	return (struct mapfs_diff_side){
		.mode = s->mode,
		.uid = s->uid,
		.gid = s->gid,
		.size_bytes = s->size_bytes,
		.mtime = s->mtime,
		.rdev = o->rdev,
		.has_capability = has_capability(s),
	};
}

static unsigned int what_of(const struct plan_object *o)
{
	const struct plan_state *a = &o->side[PLAN_BEFORE];
	const struct plan_state *b = &o->side[PLAN_AFTER];

	return (o->has_data ? MAPFS_WHAT_CONTENT : 0U) |
	       (a->mode != b->mode ? MAPFS_WHAT_MODE : 0U) |
	       (a->uid != b->uid || a->gid != b->gid ? MAPFS_WHAT_OWNER : 0U) |
	       (o->has_xattrs ? MAPFS_WHAT_XATTR : 0U);
}

static int show_object(const struct plan *p, const struct plan_object *o,
		       enum plan_side to, mapfs_diff_fn fn, void *arg)
{
	const enum plan_side from = plan_other(to);
	struct mapfs_diff_entry e = {
		.change = o->side[from].exists ? MAPFS_MODIFIED : MAPFS_ADDED,
		.old_side = side_of(o, &o->side[from]),
		.new_side = side_of(o, &o->side[to]),
	};
	char *path = NULL;
	int err = plan_path(p, o->id, to, &path);

	/* -ENOENT: it has lost all names that the plan knows. */
	if (err && err != -ENOENT)
		return err;
	e.path = path ? path : "";
	e.old_path = e.path;
	if (e.change == MAPFS_MODIFIED)
		e.what = what_of(o);
	err = fn(arg, &e);
	free(path);
	return err;
}

int mapfs_commit_review(struct mapfs_commit *c, bool undo, mapfs_diff_fn fn,
			void *arg)
{
	const struct plan *p = c->ctx.plan;
	const enum plan_side to = undo ? PLAN_BEFORE : PLAN_AFTER;
	int err = 0;

	for (uint32_t n = 0; !err && n < p->object_count; n++) {
		const struct plan_object *o = p->objects[n];

		if (o->side[to].exists &&
		    (o->is_touched || o->has_data || o->has_xattrs))
			err = show_object(p, o, to, fn, arg);
	}
	return err;
}

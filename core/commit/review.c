/* SPDX-License-Identifier: MIT */
/*
 * What a plan that is there already would make of the base: one that was
 * interrupted, or the other side of one that ended.  Nobody compares here; the
 * plan is all that counts for those two, and it comes from the store.
 */
#include "core/mapfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commit_priv.h"

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

static int tell(const struct plan *p, const struct plan_object *o,
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

	/* It may have lost all names that the plan knows. */
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
	const struct plan *p = c->work.plan;
	const enum plan_side to = undo ? PLAN_BEFORE : PLAN_AFTER;
	int err = 0;

	for (uint32_t n = 0; !err && n < p->object_count; n++) {
		const struct plan_object *o = p->objects[n];

		if (o->side[to].exists &&
		    (o->is_touched || o->has_data || o->has_xattrs))
			err = tell(p, o, to, fn, arg);
	}
	return err;
}

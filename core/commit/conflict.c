/* SPDX-License-Identifier: MIT */
/*
 * The delta has the signature that an object had in the base when the view first
 * changed it.  A signature that no longer fits is a conflict.
 */
#include "conflict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/array.h"
#include "core/lib/timespec.h"
#include "core/base/writer.h"
#include "core/overlay/lost.h"

static bool same_time(struct timespec a, struct statx_timestamp b)
{
	return timespec_is_equal(a, timespec_of_statx(b));
}

static bool same_birth(const struct record_sig *sig, const struct statx *now)
{
	/* 0: the time of birth was not known then. */
	return !(now->stx_mask & STATX_BTIME) || sig->btime.tv_sec == 0 ||
	       same_time(sig->btime, now->stx_btime);
}

static bool same_data(const struct record_sig *sig, const struct statx *now)
{
	return sig->size_bytes == now->stx_size &&
	       same_time(sig->mtime, now->stx_mtime) && same_birth(sig, now);
}

/* The names in a directory are compared singly, so its times do not count. */
static bool is_same(const struct record_sig *sig, const struct statx *now)
{
	if (sig->ino != now->stx_ino || sig->mode != now->stx_mode)
		return false;
	if (S_ISDIR(now->stx_mode))
		return same_birth(sig, now);
	return same_data(sig, now) && same_time(sig->ctime, now->stx_ctime);
}

/*
 * Bytes of a file would be written below a program that may change them, too.
 * Where nothing tells, nobody is said to have it open.
 */
static int compare_use(struct planning_ctx *c, const struct plan_object *o,
		       struct inode *i)
{
	const struct delta *d = c->info[o->id].delta;
	enum base_writer writer;
	int err;

	if (!S_ISREG(d->attr.mode) || d->attr.nlink == 0 ||
	    !overlay_has_own_bytes(d))
		return 0;
	err = base_find_writer(c->overlay->base, i, &writer);
	if (err || writer != BASE_WRITER_SOME)
		return err;
	return conflict_add(c, &(struct new_conflict){
				       .kind = MAPFS_CONFLICT_IN_USE,
				       .object = o->id,
				       .theirs = o,
			       });
}

static int compare_changed(struct planning_ctx *c, struct plan_object *o,
			   const struct statx *now)
{
	struct object_info *f = &c->info[o->id];
	const struct delta *d = f->delta;

	o->has_drifted = true;
	if (S_ISDIR(now->stx_mode) ?
		    !same_birth(&d->base->sig, now) :
		    !same_data(&d->base->sig, now) && overlay_needs_base(d))
		f->is_lost = true;
	return conflict_add(c, &(struct new_conflict){
				       .kind = d->attr.nlink ?
						       MAPFS_CONFLICT_CONTENT :
						       MAPFS_CONFLICT_DELETED,
				       .object = o->id,
				       .theirs = o,
			       });
}

int conflict_compare(struct planning_ctx *c, struct plan_object *o,
		     const struct statx *now)
{
	struct object_info *f = &c->info[o->id];
	struct inode *i = itable_get(c->overlay->itable, o->ino);
	const struct delta *d = i ? i->delta : NULL;
	int err = 0;

	if (d && d->base &&
	    (i == itable_root(c->overlay->itable) || base_is_of(i, now)))
		f->delta = d;
	d = f->delta;
	if (d && d->base)
		err = is_same(&d->base->sig, now) ? compare_use(c, o, i) :
						    compare_changed(c, o, now);
	if (i)
		(void)inode_put(c->overlay->itable, i);
	return err;
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

static struct mapfs_diff_side side_of_base(const struct planning_ctx *c,
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
		.nlink = c->info[o->id].nlink,
		.size_bytes = s->size_bytes,
		.mtime = s->mtime,
	};
}

int conflict_add(struct planning_ctx *c, const struct new_conflict *x)
{
	struct conflict *out;
	int err = array_reserve(&c->conflicts, &c->conflict_cap,
				c->conflict_count + 1);

	if (err)
		return err;
	out = &c->conflicts[c->conflict_count];
	*out = (struct conflict){
		.kind = x->kind,
		.object = x->object,
		.name = x->name ? x->name->id : PLAN_NONE,
		.theirs = side_of_base(c, x->theirs),
	};
	if (x->object != PLAN_NONE)
		out->ours = side_of_delta(c->info[x->object].delta);
	if (x->path) {
		out->path = strdup(x->path);
		if (!out->path)
			return -ENOMEM;
	}
	c->conflict_count++;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Undoing a commit gives an object its bytes and times back, but not its ctime,
 * and, if it was copied to another file system and back, not its number either.
 * So the result of an earlier commit would not fit any more, and undoing that
 * commit would be refused.  Therefore planning marks each object that is as the
 * newest earlier commit left it; when it is so again, the result of that commit
 * is renewed.  An object that somebody else had changed in between keeps the
 * old result.
 */
#include "earlier.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "result.h"
#include "work_dir.h"

/* An earlier commit that has ended: its plan and its result. */
struct earlier {
	uint64_t number;
	int dirfd;
	struct plan *plan;
	struct result *after;
};

/* An object of the plan, and one of the inode numbers that it had or has. */
struct numbered {
	mapfs_ino ino;
	uint32_t id;
};

static void earlier_close(struct earlier *e)
{
	plan_destroy(e->plan);
	free(e->after);
	if (e->dirfd >= 0)
		close(e->dirfd);
}

/* -ENOENT: there is no such commit, or it has not ended. */
static int earlier_open(struct commit_ctx *ctx, uint64_t number,
			struct earlier *e)
{
	char name[24];
	int err;

	*e = (struct earlier){ .number = number, .dirfd = -1 };
	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)number);
	e->dirfd = openat(ctx->fd.top, name,
			  O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (e->dirfd < 0)
		return -errno;
	if (faccessat(e->dirfd, "after", F_OK, 0) < 0)
		err = -errno;
	else
		err = work_dir_load_plan(e->dirfd, &e->plan, ctx->why);
	if (!err)
		err = result_read(e->dirfd, e->plan, &e->after, ctx->why);
	if (err)
		earlier_close(e);
	return err;
}

static int by_ino(const void *a, const void *b)
{
	const struct numbered *x = a;
	const struct numbered *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* The numbers of all objects that the base had before; sorted, to be freed. */
static int number_all(const struct plan *p, struct numbered **out,
		      size_t *count)
{
	struct numbered *all =
		calloc(2 * (size_t)p->object_count + 1, sizeof(*all));
	size_t n = 0;

	if (!all)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->object_count; i++) {
		const struct plan_object *o = p->objects[i];

		if (!o->side[PLAN_BEFORE].exists || i == PLAN_ROOT)
			continue;
		all[n++] = (struct numbered){ o->was_ino, i };
		if (o->ino != o->was_ino && o->ino != 0)
			all[n++] = (struct numbered){ o->ino, i };
	}
	qsort(all, n, sizeof(*all), by_ino);
	*out = all;
	*count = n;
	return 0;
}

/* The object of `p` that an object of an earlier plan is; NULL: none. */
static struct plan_object *match(const struct plan *p,
				 const struct numbered *all, size_t count,
				 const struct plan_object *then)
{
	const struct numbered key = { .ino = then->ino };
	const struct numbered *found;
	struct plan_object *o;

	if (!then->side[PLAN_AFTER].exists || then->ino == 0)
		return NULL;
	found = bsearch(&key, all, count, sizeof(*all), by_ino);
	o = found ? p->objects[found->id] : NULL;
	return o && plan_type(o) == plan_type(then) ? o : NULL;
}

struct earlier_ctx {
	struct commit_ctx *ctx;
	struct numbered *all;
	size_t count;
	bool *is_known; /* by object: a newer commit had it in its plan */
};

static int mark(struct earlier_ctx *k, struct earlier *e)
{
	struct commit_ctx *ctx = k->ctx;
	int err = 0;

	assert(e->plan);
	assert(e->after);
	for (uint32_t i = 0; !err && i < e->plan->object_count; i++) {
		struct plan_object *o =
			match(ctx->plan, k->all, k->count, e->plan->objects[i]);
		struct result now;

		if (!o || !e->after[i].is_there || k->is_known[o->id])
			continue;
		k->is_known[o->id] = true;
		err = result_look(ctx, o, &now);
		o->is_as_left = !err && result_fits(e->plan->objects[i],
						    &e->after[i], &now);
	}
	return err;
}

static int renew(struct earlier_ctx *k, struct earlier *e)
{
	struct commit_ctx *ctx = k->ctx;
	bool has_changed = false;
	int err = 0;

	assert(e->plan);
	assert(e->after);
	for (uint32_t i = 0; !err && i < e->plan->object_count; i++) {
		struct plan_object *o =
			match(ctx->plan, k->all, k->count, e->plan->objects[i]);

		if (!o)
			continue;
		has_changed = true;
		e->plan->objects[i]->ino = o->ino;
		if (!e->after[i].is_there || k->is_known[o->id])
			continue;
		k->is_known[o->id] = true;
		if (o->is_as_left)
			err = result_look(ctx, o, &e->after[i]);
	}
	if (!err && has_changed)
		err = work_dir_write_inos(e->dirfd, e->plan);
	if (!err && has_changed)
		err = result_save(e->dirfd, e->plan, e->after);
	return err;
}

/* Calls `fn` for each earlier commit, newest first. */
static int walk(struct commit_ctx *ctx,
		int (*fn)(struct earlier_ctx *, struct earlier *))
{
	const struct plan *p = ctx->plan;
	struct earlier_ctx k = { .ctx = ctx };
	int err = number_all(p, &k.all, &k.count);

	k.is_known = calloc(p->object_count + 1, sizeof(*k.is_known));
	if (!err && !k.is_known)
		err = -ENOMEM;
	for (uint64_t n = ctx->at.number; !err && n-- > 1;) {
		struct earlier e;

		err = earlier_open(ctx, n, &e);
		if (err == -ENOENT) {
			err = 0;
			continue;
		}
		if (err)
			break;
		err = fn(&k, &e);
		earlier_close(&e);
	}
	free(k.is_known);
	free(k.all);
	return err;
}

int earlier_mark(struct commit_ctx *ctx)
{
	return walk(ctx, mark);
}

int earlier_renew(struct commit_ctx *ctx)
{
	return walk(ctx, renew);
}

/* SPDX-License-Identifier: MIT */
/*
 * A name is looked at before it is changed: it may have been done already, by a
 * run that was killed, or somebody else may have changed it since.
 */
#include "names.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/path.h"
#include "locate.h"
#include "stage.h"

/* All names, in order of the depth of their directory on a side. */
static int sorted_names(const struct commit_ctx *ctx, enum plan_side side,
			struct plan_name ***out, uint32_t *count)
{
	const struct plan *p = ctx->plan;
	uint32_t *start;
	uint32_t deepest = 0;
	struct plan_name **sorted =
		calloc(p->name_count + 1, sizeof(struct plan_name *));

	for (uint32_t i = 0; i < p->name_count; i++) {
		uint32_t depth = p->objects[p->names[i]->dir]->depth[side];

		if (depth > deepest)
			deepest = depth;
	}
	start = calloc(deepest + 2, sizeof(*start));
	if (!sorted || !start) {
		free(sorted);
		free(start);
		return -ENOMEM;
	}
	/* Counting sort: names of one depth stay in order. */
	for (uint32_t i = 0; i < p->name_count; i++)
		start[p->objects[p->names[i]->dir]->depth[side] + 1]++;
	for (uint32_t d = 1; d <= deepest; d++)
		start[d] += start[d - 1];
	for (uint32_t i = 0; i < p->name_count; i++) {
		uint32_t depth = p->objects[p->names[i]->dir]->depth[side];

		sorted[start[depth]++] = p->names[i];
	}
	free(start);
	*out = sorted;
	*count = p->name_count;
	return 0;
}

static int take_name(struct commit_ctx *ctx, const struct plan_name *n)
{
	enum plan_side from = plan_other(ctx->at.to);
	const struct plan_object *o;
	char slot[STAGE_SLOT_BYTES];
	struct stat st;
	int dirfd = -1;
	int err;

	assert(n);
	if (!plan_name_changes(n) || n->object[from] == PLAN_NONE)
		return 0;
	o = ctx->plan->objects[n->object[from]];
	stage_slot_of_name(n, from, slot);
	if (fstatat(ctx->fd.stage, slot, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	err = locate_dir(ctx, n->dir, &dirfd);
	/* Undoing: the directory was never built, or is gone. */
	if (err == -ENOENT && ctx->at.to == PLAN_BEFORE)
		return 0;
	if (err)
		return commit_ctx_fail(ctx, n->dir, "cannot find it", err);
	if (fstatat(dirfd, n->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!plan_object_is(o, &st)) {
		if (n->object[ctx->at.to] != PLAN_NONE &&
		    plan_object_is(ctx->plan->objects[n->object[ctx->at.to]],
				   &st))
			return 0;
		/*
		 * Undoing: if an object has to be put here, placing it says
		 * that the name is taken.
		 */
		if (ctx->at.to == PLAN_BEFORE)
			return 0;
		return commit_ctx_refuse(
			ctx, o->id,
			"somebody else has replaced it since the commit began",
			-ESTALE);
	}
	err = stage_move(dirfd, n->name, ctx->fd.stage, slot);
	return err ? commit_ctx_fail(ctx, o->id, "cannot move it", err) : 0;
}

int names_take(struct commit_ctx *ctx)
{
	struct plan_name **names = NULL;
	uint32_t count = 0;
	int err = sorted_names(ctx, plan_other(ctx->at.to), &names, &count);

	if (err)
		return err;
	while (!err && count-- > 0) {
		err = take_name(ctx, names[count]);
		if (!err)
			err = commit_ctx_step(ctx, 0);
	}
	free(names);
	return err;
}

static int link_to(struct commit_ctx *ctx, uint32_t id, int dirfd,
		   const char *name)
{
	char path[PATH_OF_FD_BYTES];
	int fd;
	int err = fault_point("commit.link");

	if (!err)
		err = locate_object(ctx, id, &fd);
	if (err)
		return err;
	path_of_fd(fd, path);
	if (linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Undoing: is the object, which should get a name, nowhere any more? */
static bool is_gone(struct commit_ctx *ctx, const struct plan_object *o)
{
	int fd = -1;
	int err = locate_object(ctx, o->id, &fd);

	if (fd >= 0)
		close(fd);
	return undo_may_skip(ctx, o->id, err);
}

static int place_is_taken(struct commit_ctx *ctx, const struct plan_object *o,
			  const struct stat *st)
{
	if (plan_object_is(o, st) || is_gone(ctx, o))
		return 0;
	return commit_ctx_refuse(
		ctx, o->id,
		"something else has its name in the base now; move that away",
		-EEXIST);
}

static int place_name(struct commit_ctx *ctx, const struct plan_name *n)
{
	const struct plan_object *o;
	char slot[STAGE_SLOT_BYTES];
	struct stat st;
	int dirfd = -1;
	int err;

	assert(n);
	if (!plan_name_changes(n) || n->object[ctx->at.to] == PLAN_NONE)
		return 0;
	o = ctx->plan->objects[n->object[ctx->at.to]];
	err = locate_dir(ctx, n->dir, &dirfd);
	if (err == -ENOENT && is_gone(ctx, o))
		return 0;
	if (err)
		return commit_ctx_fail(ctx, n->dir, "cannot find it", err);
	if (fstatat(dirfd, n->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return place_is_taken(ctx, o, &st);
	/* Moved if it has one name: not every file system has hard links. */
	if (stage_find(ctx, o->id, slot) &&
	    (S_ISDIR(plan_type(o)) || o->name_count[ctx->at.to] == 1)) {
		err = stage_move(ctx->fd.stage, slot, dirfd, n->name);
	} else {
		/* Locating the object may close the borrowed descriptor. */
		int fd = dup(dirfd);

		err = fd < 0 ? -errno : link_to(ctx, o->id, fd, n->name);
		if (fd >= 0)
			close(fd);
		if (undo_may_skip(ctx, o->id, err))
			return 0;
	}
	return err ? commit_ctx_fail(ctx, o->id, "cannot put it in place",
				     err) :
		     0;
}

int names_place(struct commit_ctx *ctx)
{
	struct plan_name **names = NULL;
	uint32_t count = 0;
	int err = sorted_names(ctx, ctx->at.to, &names, &count);

	if (err)
		return err;
	for (uint32_t i = 0; !err && i < count; i++) {
		err = place_name(ctx, names[i]);
		if (!err)
			err = commit_ctx_step(ctx, 0);
	}
	free(names);
	return err;
}

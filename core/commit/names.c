/* SPDX-License-Identifier: MIT */
/*
 * A name is looked at before it is changed: it may have been done already, by a
 * run that was killed, or somebody else may have changed it since.
 */
#include "names.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/lib/beneath.h"
#include "core/lib/fault.h"
#include "core/lib/path.h"
#include "kept.h"
#include "left.h"
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
	/* It was never built, or others removed it: then it has no names. */
	if (err == -ENOENT)
		return 0;
	if (err)
		return locate_fail(ctx, n->dir, err);
	if (fstatat(dirfd, n->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (plan_object_is(o, &st)) {
		err = stage_move(dirfd, n->name, ctx->fd.stage, slot);
		return err ? commit_ctx_fail(ctx, o->id, "cannot move it",
					     err) :
			     0;
	}
	/* If an object has to be put here, placing it looks at what is there. */
	if (n->object[ctx->at.to] != PLAN_NONE || ctx->at.to == PLAN_BEFORE)
		return 0;
	return left_add_name(ctx, n, from, "others have replaced it");
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

/* The name stays without the object that it should have. */
static int leave_name(struct commit_ctx *ctx, const struct plan_name *n,
		      const char *sentence)
{
	struct plan_object *o = ctx->plan->objects[n->object[ctx->at.to]];

	o->has_no_place = true;
	return left_add_name(ctx, n, ctx->at.to, sentence);
}

/* A new directory that has no place has no names either: it is not kept. */
static bool is_dropped(const struct commit_ctx *ctx, uint32_t dir)
{
	const struct plan_object *o = ctx->plan->objects[dir];

	return o->has_no_place && plan_creates(o, ctx->at.to);
}

/* -ENOENT: the object is nowhere.  -EEXIST: the name is taken. */
static int give_name(struct commit_ctx *ctx, const struct plan_object *o,
		     int dirfd, const char *name)
{
	char slot[STAGE_SLOT_BYTES];
	int fd;
	int err;

	/* Moved if it has one name: not every file system has hard links. */
	if (stage_find(ctx, o->id, slot) &&
	    (S_ISDIR(plan_type(o)) || o->name_count[ctx->at.to] == 1))
		return stage_move(ctx->fd.stage, slot, dirfd, name);
	/* Locating the object may close the borrowed descriptor. */
	fd = dup(dirfd);
	err = fd < 0 ? -errno : link_to(ctx, o->id, fd, name);
	if (fd >= 0)
		close(fd);
	return err;
}

static int place_name(struct commit_ctx *ctx, const struct plan_name *n)
{
	const struct plan_object *o;
	struct stat st;
	int dirfd = -1;
	int err;

	assert(n);
	if (!plan_name_changes(n) || n->object[ctx->at.to] == PLAN_NONE)
		return 0;
	o = ctx->plan->objects[n->object[ctx->at.to]];
	err = is_dropped(ctx, n->dir) ? -ENOENT :
					locate_dir(ctx, n->dir, &dirfd);
	if (err == -ENOENT)
		return leave_name(
			ctx, n,
			"others have removed or replaced the directory of this name");
	if (err)
		return locate_fail(ctx, n->dir, err);
	if (fstatat(dirfd, n->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return plan_object_is(o, &st) ?
			       0 :
			       leave_name(
				       ctx, n,
				       "others have given this name to something else");
	if (o->is_damaged && plan_creates(o, ctx->at.to))
		return leave_name(ctx, n, KEPT_LEFT_OUT);
	err = give_name(ctx, o, dirfd, n->name);
	if (err == -ENOENT)
		return leave_name(ctx, n, "others have removed or replaced it");
	return err ? commit_ctx_fail(ctx, o->id, "cannot put it in place",
				     err) :
		     0;
}

static bool is_empty_dir(const struct commit_ctx *ctx, const char *slot)
{
	const struct dirent *e;
	bool is_empty = true;
	DIR *dir;
	int fd;

	if (beneath_open(ctx->fd.stage, slot, O_RDONLY | O_DIRECTORY, &fd))
		return true;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return true;
	}
	while (is_empty && (e = readdir(dir)))
		is_empty = path_is_dot(e->d_name);
	closedir(dir);
	return is_empty;
}

/*
 * Must the object in this slot, which was taken from name `n`, get the name
 * back?  It has no place on the new side, or it should be removed and is a
 * directory into which others have put something, or into which something was
 * put back.
 */
static int find_homeless(struct commit_ctx *ctx, const struct plan_object *o,
			 const char *slot, bool *is_homeless)
{
	bool is_named = false;
	int err = 0;

	if (plan_removes(o, ctx->at.to)) {
		*is_homeless = S_ISDIR(plan_type(o)) &&
			       !is_empty_dir(ctx, slot);
		return 0;
	}
	err = locate_elsewhere(ctx, o, &is_named);
	*is_homeless = !is_named;
	return err ? locate_fail(ctx, o->id, err) : 0;
}

static int put_back(struct commit_ctx *ctx, const struct plan_name *n)
{
	const enum plan_side from = plan_other(ctx->at.to);
	const struct plan_object *o;
	char slot[STAGE_SLOT_BYTES];
	struct stat st;
	bool is_homeless = false;
	int dirfd = -1;
	int err;

	assert(n);
	if (!plan_name_changes(n) || n->object[from] == PLAN_NONE)
		return 0;
	o = ctx->plan->objects[n->object[from]];
	stage_slot_of_name(n, from, slot);
	if (fstatat(ctx->fd.stage, slot, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !plan_object_is(o, &st))
		return 0;
	err = find_homeless(ctx, o, slot, &is_homeless);
	if (err || !is_homeless)
		return err;
	err = locate_dir(ctx, n->dir, &dirfd);
	if (!err)
		err = stage_move(ctx->fd.stage, slot, dirfd, n->name);
	/* Then gone.c keeps it. */
	if (err == -ENOENT || err == -EEXIST)
		return 0;
	if (err)
		return commit_ctx_fail(ctx, o->id, "cannot put it back", err);
	return left_add_name(
		ctx, n, from,
		plan_removes(o, ctx->at.to) ?
			"it is not empty any more, and stays" :
			"it stays here, because it has no other place");
}

/*
 * What cannot be where it should be stays where it was.  Deepest names first:
 * a directory that gets something back must not be removed.
 */
static int put_back_all(struct commit_ctx *ctx)
{
	struct plan_name **names = NULL;
	uint32_t count = 0;
	int err = sorted_names(ctx, plan_other(ctx->at.to), &names, &count);

	if (err)
		return err;
	while (!err && count-- > 0)
		err = put_back(ctx, names[count]);
	free(names);
	return err;
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
	return err ? err : put_back_all(ctx);
}

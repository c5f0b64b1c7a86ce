/* SPDX-License-Identifier: MIT */
/*
 * The phases, and the barriers between them.
 *
 *   build -> inos   a name may get a new object only when the inode number of
 *                   that object is on disk: after a crash the object could not
 *                   be told from one of somebody else
 *   take -> data    deepest directories first, so that the path to the others
 *                   still leads there
 *   place           top directories first, so that a directory is where its
 *                   names are put
 *   attr            times last, deepest directories first
 *   clean           nothing in the base needs the staging directory any more;
 *                   an object that is removed is in the store before its last
 *                   name in the base is
 */
#include "phases.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/io.h"
#include "core/lib/path.h"
#include "gone.h"
#include "left.h"
#include "locate.h"
#include "names.h"
#include "object.h"
#include "stage.h"
#include "work_dir.h"

static int each_object(struct commit_ctx *ctx,
		       int (*fn)(struct commit_ctx *, struct plan_object *))
{
	int err = 0;

	for (uint32_t i = 0; !err && i < ctx->plan->object_count; i++) {
		err = fn(ctx, ctx->plan->objects[i]);
		if (!err)
			err = commit_ctx_step(ctx, 0);
	}
	return err;
}

static int phase_build(struct commit_ctx *ctx)
{
	int err = each_object(ctx, object_build);

	/* The numbers mean nothing before the objects are on disk. */
	if (!err)
		err = commit_ctx_barrier(ctx);
	return err ? err : work_dir_write_inos(ctx->fd.dir, ctx->plan);
}

/* A file that somebody else has changed since it was saved is not touched. */
static int check_unchanged(struct commit_ctx *ctx, struct plan_object *o)
{
	struct stat st;
	int fd;
	int err;

	if (!o->is_touched || !o->side[PLAN_BEFORE].exists ||
	    S_ISDIR(plan_type(o)))
		return 0;
	/* It is to be removed, and is. */
	if (!o->side[PLAN_AFTER].exists) {
		err = locate_object(ctx, o->id, &fd);
		if (err)
			return err == -ENOENT ? 0 :
						locate_fail(ctx, o->id, err);
	} else {
		err = left_locate(ctx, o->id, &fd);
		if (err)
			return err < 0 ? err : 0;
	}
	err = fstat(fd, &st) < 0 ? -errno : 0;
	close(fd);
	if (err)
		return commit_ctx_fail(ctx, o->id, "cannot look at it", err);
	if (plan_object_is_as(o, PLAN_BEFORE, (uint64_t)st.st_size, st.st_mtim))
		return 0;
	return commit_ctx_refuse(
		ctx, o->id,
		"somebody else has changed it since the commit began", -ESTALE);
}

static int phase_take(struct commit_ctx *ctx)
{
	int err = names_take(ctx);

	/* The last moment: the next phase changes these files itself. */
	if (!err && ctx->at.to == PLAN_AFTER)
		err = each_object(ctx, check_unchanged);
	return err;
}

static int attr_of_file(struct commit_ctx *ctx, struct plan_object *o)
{
	return S_ISDIR(plan_type(o)) || position_left_files(&ctx->at) ?
		       0 :
		       object_set_attr(ctx, o);
}

/* A mode may forbid to enter a directory, so what is below it is first. */
static int attr_of_dirs(struct commit_ctx *ctx)
{
	uint32_t deepest = 0;
	int err = 0;

	for (uint32_t i = 0; i < ctx->plan->object_count; i++)
		if (ctx->plan->objects[i]->depth[ctx->at.to] > deepest)
			deepest = ctx->plan->objects[i]->depth[ctx->at.to];
	for (uint32_t depth = deepest + 1; !err && depth-- > 0;) {
		for (uint32_t i = 0; !err && i < ctx->plan->object_count; i++) {
			struct plan_object *o = ctx->plan->objects[i];

			if (o->depth[ctx->at.to] == depth &&
			    o->id != PLAN_ROOT && S_ISDIR(plan_type(o)))
				err = object_set_attr(ctx, o);
		}
	}
	return err;
}

static int phase_attr(struct commit_ctx *ctx)
{
	int err = each_object(ctx, attr_of_file);

	/* Those of the root follow in PHASE_CLEAN: the staging directory is in it. */
	return err ? err : attr_of_dirs(ctx);
}

static int remove_stage(struct commit_ctx *ctx)
{
	char line[REASON_BYTES];
	bool is_full = false;
	int err = stage_remove(ctx, &is_full);

	if (err || !is_full)
		return err;
	(void)snprintf(
		line, sizeof(line),
		"%s: directories that others have put something into are in it, and have no place any more",
		ctx->stage);
	return left_add_line(ctx, line);
}

static int phase_clean(struct commit_ctx *ctx)
{
	int err = 0;

	if (ctx->fd.stage >= 0) {
		err = each_object(ctx, gone_keep);
		/* Durable in the store before the last name in the base is removed. */
		if (!err)
			err = io_fsync("commit.gone", ctx->fd.gone);
		if (!err)
			err = commit_ctx_barrier(ctx);
		if (!err)
			err = remove_stage(ctx);
		if (err)
			return err;
	}
	return object_set_attr(ctx, ctx->plan->objects[PLAN_ROOT]);
}

static int run_phase(struct commit_ctx *ctx)
{
	switch (ctx->at.phase) {
	case PHASE_BUILD:
		return phase_build(ctx);
	case PHASE_TAKE:
		return phase_take(ctx);
	case PHASE_DATA:
		return each_object(ctx, object_write);
	case PHASE_PLACE:
		return names_place(ctx);
	case PHASE_ATTR:
		return phase_attr(ctx);
	case PHASE_CLEAN:
		return phase_clean(ctx);
	case PHASE_DELTA:
	case PHASE_COUNT:
		break;
	}
	return 0;
}

/* Lets its owner, if that is the user, work in a directory. */
static int unlock_dir(struct commit_ctx *ctx, const struct plan_object *o)
{
	char path[PATH_OF_FD_BYTES];
	struct stat st;
	int fd;
	int err;

	if (!S_ISDIR(plan_type(o)) ||
	    (o->id != PLAN_ROOT && !o->side[ctx->at.to].exists &&
	     !o->side[plan_other(ctx->at.to)].exists))
		return 0;
	err = locate_object(ctx, o->id, &fd);
	/* Not there; or a phase will say better what is wrong. */
	if (err)
		return err == -ENOENT || err == -EACCES ? 0 : err;
	path_of_fd(fd, path);
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (st.st_uid == geteuid() && (st.st_mode & 0700) != 0700 &&
		 chmod(path, (st.st_mode & 07777) | 0700) < 0)
		err = -errno;
	close(fd);
	return err;
}

/*
 * The mode of a directory may forbid even its owner to work in it, unless that
 * is root.  So before the phases the owner gets that right, from the top down,
 * on both sides, since a directory may be in the place of either.  PHASE_ATTR
 * sets the modes again, PHASE_CLEAN that of the root of the base.
 */
static int unlock_dirs(struct commit_ctx *ctx)
{
	const enum plan_side sides[] = { plan_other(ctx->at.to), ctx->at.to };
	uint32_t deepest = 0;
	int err = unlock_dir(ctx, ctx->plan->objects[PLAN_ROOT]);

	if (ctx->at.phase > PHASE_ATTR)
		return err;
	for (uint32_t i = 0; i < ctx->plan->object_count; i++)
		for (int side = 0; side < PLAN_SIDES; side++)
			if (ctx->plan->objects[i]->depth[side] > deepest)
				deepest = ctx->plan->objects[i]->depth[side];
	for (size_t s = 0; s < PLAN_SIDES; s++)
		for (uint32_t depth = 0; depth <= deepest; depth++)
			for (uint32_t i = 0;
			     !err && i < ctx->plan->object_count; i++)
				if (ctx->plan->objects[i]->depth[sides[s]] ==
				    depth)
					err = unlock_dir(ctx,
							 ctx->plan->objects[i]);
	return err;
}

int phases_run(struct commit_ctx *ctx)
{
	int err = 0;

	if (ctx->at.phase < PHASE_DELTA && geteuid() != 0)
		err = unlock_dirs(ctx);
	if (!err && ctx->at.phase < PHASE_DELTA)
		err = stage_open(ctx, ctx->at.phase < PHASE_CLEAN);
	/* An earlier run, which was stopped, has removed it. */
	if (err == -ENOENT && ctx->at.phase == PHASE_CLEAN)
		err = 0;
	while (!err && ctx->at.phase < PHASE_DELTA) {
		locate_forget(ctx);
		err = run_phase(ctx);
		/* The next phase relies on this one. */
		if (!err)
			err = commit_ctx_barrier(ctx);
		/* The next run does not look again for what this one left out. */
		if (!err)
			err = left_save(ctx);
		if (!err) {
			ctx->at.phase = (enum commit_phase)(ctx->at.phase + 1);
			err = position_write(ctx->fd.top, &ctx->at);
		}
	}
	if (err && reason_is_empty(ctx->why))
		reason_set(ctx->why, "the base: %s: %s", ctx->stage,
			   reason_of(err));
	return err;
}

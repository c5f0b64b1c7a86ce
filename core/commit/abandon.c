/* SPDX-License-Identifier: MIT */
/*
 * Ending a commit, or its undo, where it stands.  This is the way out when
 * neither finishing nor undoing is possible: so it asks as little as it can of
 * the base and of the files of the commit.
 *
 *   report     durable in STORE/commit/N/left, so that the directory is kept
 *   delta      what the view had changed before the commit is changed in it
 *              again, over the base as it is now; where that is damaged,
 *              the delta stays as it is
 *   `after`    removed: what is not as it says can never be undone
 *   `open`     removed: from here on the store can be mounted
 *
 * A kill in between leaves a commit that can be abandoned again.
 *
 * Contract: core/mapfs.h.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "abandon_report.h"
#include "commit.h"
#include "core/store/dir.h"
#include "delta.h"
#include "left.h"
#include "result.h"
#include "stage.h"
#include "work_dir.h"

static int say_nothing_to_abandon(struct mapfs_commit *c)
{
	reason_set(
		c->ctx.why,
		"store %s: no commit of it was interrupted, so there is nothing to abandon",
		c->opt.store);
	return -ENOENT;
}

/* What was left out earlier is in the list, and stays. */
static int report(struct commit_ctx *ctx, bool has_plan, bool has_base)
{
	int err = abandon_report_head(ctx);

	if (!err && !has_plan)
		err = left_add_line(
			ctx,
			"its plan cannot be read: what was done cannot be told; its files are beside this one");
	else if (!err)
		err = has_base ? abandon_report_base(ctx) :
				 abandon_report_plan(ctx);
	return err ? err : left_save(ctx);
}

/* An empty one is of no use to anybody. */
static void remove_empty_stage(struct commit_ctx *ctx)
{
	if (ctx->fd.stage >= 0)
		(void)unlinkat(ctx->fd.root, ctx->stage, AT_REMOVEDIR);
}

static int end(struct commit_ctx *ctx)
{
	int err = result_forget(ctx);

	return err ? err : position_remove(ctx->fd.top);
}

static int confirm(struct mapfs_commit *c)
{
	return c->opt.confirm ? c->opt.confirm(c->opt.confirm_arg, c) : 0;
}

static void show(const struct mapfs_commit *c)
{
	if (c->opt.left_out)
		left_iterate(&c->ctx, c->opt.left_out, c->opt.left_out_arg);
}

/* *has_plan: the files of the commit are sound; else only its directory is open. */
static int open_files(struct commit_ctx *ctx, bool *has_plan)
{
	int err = work_dir_read_plan(ctx);

	*has_plan = !err;
	if (!err || err == -ENOMEM)
		return err;
	reason_clear(ctx->why);
	work_dir_close(ctx);
	return work_dir_open_alone(ctx);
}

/* *out: can the delta of before be brought back? */
static int judge_delta(struct commit_ctx *ctx, bool *out)
{
	int err = commit_delta_judge(ctx);

	*out = !err;
	if (err != -EUCLEAN && err != -EBADMSG)
		return err;
	reason_clear(ctx->why);
	return left_add_line(
		ctx,
		"the journal is damaged: what the view had changed before the commit cannot be read, and is not changed in it again");
}

/* Base and store are open. */
static int abandon(struct mapfs_commit *c)
{
	struct commit_ctx *ctx = &c->ctx;
	bool has_plan = false;
	bool has_delta = false;
	int err;

	if (c->state != COMMIT_BEGUN && c->state != COMMIT_UNDOING)
		return say_nothing_to_abandon(c);
	err = open_files(ctx, &has_plan);
	if (!err)
		err = confirm(c);
	if (!err && stage_open(ctx, false))
		ctx->fd.stage = -1;
	/* Without a plan the objects of the base cannot be told apart. */
	if (!err && has_plan)
		err = judge_delta(ctx, &has_delta);
	if (!err)
		err = report(ctx, has_plan, true);
	if (!err && has_delta) {
		ctx->at.to = PLAN_BEFORE;
		err = commit_delta_restore(ctx);
	}
	if (!err)
		err = end(ctx);
	if (err)
		return err;
	remove_empty_stage(ctx);
	show(c);
	return 0;
}

/* Which commit it was cannot be told, but its files must not be removed. */
static int abandon_unknown(struct mapfs_commit *c)
{
	struct commit_ctx *ctx = &c->ctx;
	int err = work_dir_find_last(ctx);

	if (!err)
		err = work_dir_open_alone(ctx);
	if (!err)
		err = confirm(c);
	if (!err)
		err = left_add_line(
			ctx,
			"commit/open was damaged or lost: how far the newest commit got cannot be told; its files are beside this one, and others may be in a directory .mapfs-commit-* of the base");
	if (!err)
		err = left_save(ctx);
	return err ? err : position_remove(ctx->fd.top);
}

/* The base is gone, or `open` is damaged: the delta stays as it is. */
static int abandon_alone(struct mapfs_commit *c, const struct store_dir *d)
{
	struct commit_ctx *ctx = &c->ctx;
	bool has_plan = false;
	int err;

	ctx->fd.store =
		openat(d->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ctx->fd.store < 0)
		return -errno;
	ctx->store = d->path;
	err = work_dir_open_top(ctx, false);
	if (!err)
		err = position_read(ctx->fd.top, &ctx->at, ctx->why);
	if (err == -ENOENT && !c->open_is_lost)
		return say_nothing_to_abandon(c);
	if (err == -ENOENT || err == -EUCLEAN || err == -EBADMSG) {
		err = abandon_unknown(c);
	} else {
		if (!err)
			err = open_files(ctx, &has_plan);
		if (!err)
			err = confirm(c);
		if (!err)
			err = report(ctx, has_plan, false);
		if (!err)
			err = end(ctx);
	}
	if (!err)
		show(c);
	return err;
}

static int abandon_without_base(struct mapfs_commit *c)
{
	const struct store_options opt = {
		.use = STORE_CHANGE,
		.kind = MAPFS_STORE_DIR,
		.path = c->opt.store,
		.is_trusted = c->opt.is_trusted,
		.for_commit = true,
	};
	struct store_dir d;
	int err = store_dir_lock_only(&d, &opt, c->ctx.why);

	if (err)
		return err;
	err = abandon_alone(c, &d);
	c->ctx.store = NULL;
	store_dir_close(&d);
	return err;
}

int mapfs_commit_abandon(const struct mapfs_commit_options *opt,
			 struct reason *why)
{
	struct mapfs_commit *c;
	bool is_lost;
	int err = commit_create(&c, opt, why);

	if (err)
		return err;
	err = commit_open_all(c);
	if (!err) {
		err = abandon(c);
	} else if (err != -EBUSY && err != -EPERM && err != -EINTR) {
		is_lost = c->open_is_lost;
		mapfs_commit_close(c);
		err = commit_create(&c, opt, why);
		if (err)
			return err;
		c->open_is_lost = is_lost;
		err = abandon_without_base(c);
	}
	if (err && reason_is_empty(why))
		reason_set(why, "store %s: cannot abandon its commit: %s",
			   opt->store, reason_of(err));
	mapfs_commit_close(c);
	return err;
}

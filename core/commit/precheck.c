/* SPDX-License-Identifier: MIT */
/*
 * Each check is a good guess: the base may change, and what it misses stops the
 * commit halfway, when it can still be finished or undone.
 */
#include "precheck.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "locate.h"
#include "trial.h"

/* The new bytes must fit; what is removed is not counted. */
int precheck_space(const struct commit_ctx *ctx)
{
	struct statvfs v;
	uint64_t room;

	if (fstatvfs(ctx->fd.root, &v) < 0)
		return -errno;
	room = (uint64_t)v.f_bavail * v.f_frsize;
	if (v.f_flag & ST_RDONLY) {
		reason_set(
			ctx->why,
			"base %s: its file system is mounted read-only; mount it for writing first",
			base_path(ctx->overlay->base));
		return -EROFS;
	}
	if (v.f_blocks == 0 || room >= ctx->meter.all_bytes)
		return 0;
	reason_set(
		ctx->why,
		"base %s: %llu bytes would be written and %llu are free; make room first",
		base_path(ctx->overlay->base),
		(unsigned long long)ctx->meter.all_bytes,
		(unsigned long long)room);
	return -ENOSPC;
}

/* New objects need an inode each. */
static int check_inodes(const struct planning_ctx *c)
{
	struct commit_ctx *ctx = c->commit;
	struct statvfs v;
	uint64_t count = 0;

	if (fstatvfs(ctx->fd.root, &v) < 0)
		return -errno;
	for (uint32_t i = 0; i < ctx->plan->object_count; i++)
		count += plan_creates(ctx->plan->objects[i], PLAN_AFTER);
	/* Some file systems have no such number. */
	if (v.f_files == 0 || count == 0 || v.f_favail >= count)
		return 0;
	reason_set(
		ctx->why,
		"base %s: %llu objects would be made, and %llu inodes are free, so nothing was written; remove files first",
		base_path(ctx->overlay->base), (unsigned long long)count,
		(unsigned long long)v.f_favail);
	return -ENOSPC;
}

static int check_descriptors(const struct planning_ctx *c)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur >= LOCATE_DESCRIPTORS_MIN)
		return 0;
	reason_set(
		c->commit->why,
		"base %s: this process may have %llu open files, and a commit needs %u, so nothing was written; raise that limit with `ulimit -n`",
		base_path(c->overlay->base), (unsigned long long)limit.rlim_cur,
		LOCATE_DESCRIPTORS_MIN);
	return -EMFILE;
}

/* Immutable objects, and a root that may not be written to. */
static int check_locks(const struct planning_ctx *c)
{
	struct commit_ctx *ctx = c->commit;

	for (uint32_t i = 0; i < ctx->plan->object_count; i++)
		if (ctx->plan->objects[i]->is_touched && c->info[i].is_locked)
			return commit_ctx_refuse(
				ctx, i,
				"it is immutable or append-only in the base, and nothing was written; change that with chattr first",
				-EPERM);
	if (faccessat(ctx->fd.root, ".", W_OK | X_OK, AT_EACCESS) == 0 ||
	    ctx->plan->objects[PLAN_ROOT]->side[PLAN_BEFORE].uid == geteuid())
		return 0;
	reason_set(
		ctx->why,
		"base %s: a commit has to write to this directory itself: %s",
		base_path(ctx->overlay->base), reason_of(-errno));
	return -EACCES;
}

/* Only root gives files away, and only an owner or root changes a mode. */
static int check_rights(const struct planning_ctx *c)
{
	struct commit_ctx *ctx = c->commit;
	uid_t me = geteuid();

	for (uint32_t i = 0; me != 0 && i < ctx->plan->object_count; i++) {
		const struct plan_object *o = ctx->plan->objects[i];
		const struct plan_state *before = &o->side[PLAN_BEFORE];
		const struct plan_state *after = &o->side[PLAN_AFTER];
		uint32_t owner = before->exists ? before->uid : me;

		if (!o->is_touched || !after->exists)
			continue;
		if (after->uid != owner)
			return commit_ctx_refuse(
				ctx, i,
				"only root may give it the owner that it has in the view, and nothing was written; commit as root",
				-EPERM);
		if (owner != me && after->mode != before->mode)
			return commit_ctx_refuse(
				ctx, i,
				"only its owner or root may give it the mode that it has in the view, and nothing was written; commit as one of these",
				-EPERM);
	}
	return 0;
}

int precheck_commit(const struct planning_ctx *c)
{
	int err = precheck_space(c->commit);

	if (!err)
		err = check_inodes(c);
	if (!err)
		err = check_descriptors(c);
	if (!err)
		err = check_locks(c);
	if (!err)
		err = check_rights(c);
	/* The last one, because it changes times of the root. */
	if (!err)
		err = trial_of_plan(c->commit);
	return err;
}

/* SPDX-License-Identifier: MIT */
/*
 * Obstacles that can be seen beforehand.
 */
#include "precheck.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Roughly: what comes must fit, or the commit stops halfway. */
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
			"base %s: it is on a file system mounted read-only; mount that for writing first",
			base_path(ctx->overlay->base));
		return -EROFS;
	}
	if (v.f_blocks == 0 || room >= ctx->meter.all_bytes)
		return 0;
	reason_set(
		ctx->why,
		"base %s: %llu bytes are to be written and %llu are free; make room first",
		base_path(ctx->overlay->base),
		(unsigned long long)ctx->meter.all_bytes,
		(unsigned long long)room);
	return -ENOSPC;
}

/* A view takes files of any size, a file system has a largest one. */
static int check_sizes(const struct planning_ctx *c)
{
	struct commit_ctx *ctx = c->commit;
	int fd =
		openat(ctx->fd.root, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int err = 0;

	/* Without such files, or the right to make one, it turns out later. */
	if (fd < 0)
		return 0;
	for (uint32_t i = 0; !err && i < ctx->plan->object_count; i++) {
		const struct plan_object *o = ctx->plan->objects[i];
		const struct plan_state *after = &o->side[PLAN_AFTER];

		if (!after->exists || !S_ISREG(after->mode) ||
		    (o->side[PLAN_BEFORE].exists && !o->has_data))
			continue;
		if (ftruncate(fd, (off_t)after->size_bytes) < 0 &&
		    errno == EFBIG)
			err = commit_ctx_fail(
				ctx, i,
				"its size is more than a file of the base can have; nothing was written, truncate it in the view",
				-EFBIG);
	}
	close(fd);
	return err;
}

/* Better now than halfway. */
static int check_locks(const struct planning_ctx *c)
{
	struct commit_ctx *ctx = c->commit;

	for (uint32_t i = 0; i < ctx->plan->object_count; i++)
		if (ctx->plan->objects[i]->is_touched && c->info[i].is_locked)
			return commit_ctx_fail(
				ctx, i,
				"it is immutable or append-only; nothing was written, see chattr",
				-EPERM);
	if (faccessat(ctx->fd.root, ".", W_OK | X_OK, AT_EACCESS) == 0 ||
	    ctx->plan->objects[PLAN_ROOT]->side[PLAN_BEFORE].uid == geteuid())
		return 0;
	reason_set(
		ctx->why,
		"base %s: committing needs the right to write to this very directory: %s",
		base_path(ctx->overlay->base), strerror(errno));
	return -EACCES;
}

/* Who may not give files away must not have to, nor change others' modes. */
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
			return commit_ctx_fail(
				ctx, i,
				"only root may give it the owner it has in the view",
				-EPERM);
		if (owner != me && after->mode != before->mode)
			return commit_ctx_fail(
				ctx, i,
				"only its owner may give it the mode it has in the view",
				-EPERM);
	}
	return 0;
}

int precheck_commit(const struct planning_ctx *c)
{
	int err = precheck_space(c->commit);

	if (!err)
		err = check_sizes(c);
	if (!err)
		err = check_locks(c);
	if (!err)
		err = check_rights(c);
	return err;
}

/* SPDX-License-Identifier: MIT */
/*
 * Each check is a good guess: the base may change, and what it misses stops the
 * commit halfway, when it can still be finished or undone.
 */
#include "precheck.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "stage.h"

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

/* A file of a view may be larger than the file system of the base allows. */
static int check_sizes(const struct planning_ctx *c)
{
	struct commit_ctx *ctx = c->commit;
	int fd =
		openat(ctx->fd.root, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int err = 0;

	/* Where such a file cannot be made the size is found out later. */
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
			err = commit_ctx_refuse(
				ctx, i,
				"it is larger than the file system of the base allows, and nothing was written; truncate it in the view",
				-EFBIG);
	}
	close(fd);
	return err;
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

/*
 * A commit begins with a directory in the root.  Only making one tells whether
 * that is possible: a view of windows has a root that looks like any other.
 */
static int check_root(const struct commit_ctx *ctx)
{
	struct stat was;
	int err = fstat(ctx->fd.root, &was) < 0 ? -errno : 0;

	if (err)
		return err;
	if (mkdirat(ctx->fd.root, STAGE_TRY, 0700) < 0 && errno != EEXIST) {
		err = -errno;
		reason_set(
			ctx->why,
			"base %s: cannot make a directory beside its files, as a commit has to, and nothing was written: %s",
			base_path(ctx->overlay->base), reason_of(err));
		return err;
	}
	if (unlinkat(ctx->fd.root, STAGE_TRY, AT_REMOVEDIR) < 0)
		return -errno;
	/* Its owner may: a commit that ends here leaves the times as they were. */
	(void)!futimens(ctx->fd.root, (const struct timespec[]){
					      { .tv_nsec = UTIME_OMIT },
					      was.st_mtim,
				      });
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
	/* The last one, because it changes times of the root. */
	if (!err)
		err = check_root(c->commit);
	return err;
}

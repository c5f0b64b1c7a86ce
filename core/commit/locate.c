/* SPDX-License-Identifier: MIT */
/*
 * An object may be at a name of either side, in the staging directory, or where
 * planning found it.  Each of these places is tried, and an object counts as
 * found only if it has the inode number and the type of the plan.  No link is
 * followed and no mount crossed on the way [S2].
 */
#include "locate.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/lib/beneath.h"
#include "core/lib/fault.h"
#include "stage.h"

/* Directories of the plan that are kept open, if so many are allowed. */
#define DIRFDS_MAX 200U

static unsigned int dirfds_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur >= 2 * DIRFDS_MAX)
		return DIRFDS_MAX;
	/* The rest of the process needs some, too. */
	return limit.rlim_cur > LOCATE_DESCRIPTORS_MIN ?
		       1 + (unsigned int)(limit.rlim_cur -
					  LOCATE_DESCRIPTORS_MIN) /
				       2 :
		       1;
}

void locate_forget(struct commit_ctx *ctx)
{
	for (uint32_t i = 0;
	     ctx->search.open_dirs > 0 && i < ctx->plan->object_count; i++) {
		struct plan_object *o = ctx->plan->objects[i];

		if (o->dirfd < 0)
			continue;
		close(o->dirfd);
		o->dirfd = -1;
		ctx->search.open_dirs--;
	}
}

/* -ENOENT: another object, or none, has this name. */
static int open_at(const struct plan_object *o, int dirfd, const char *name,
		   int *fd)
{
	struct stat st;
	int got = -1;
	int err = beneath_open(dirfd, name, O_PATH, &got);

	if (err)
		return err;
	if (fstat(got, &st) < 0)
		err = -errno;
	else if (!plan_object_is(o, &st))
		err = -ENOENT;
	if (err)
		close(got);
	else
		*fd = got;
	return err;
}

static bool is_not_there(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -ELOOP ||
	       err == -EXDEV;
}

static int open_in_dir(struct commit_ctx *ctx, const struct plan_object *o,
		       uint32_t dir, const char *name, int *fd)
{
	int dirfd = -1;
	int err = locate_dir(ctx, dir, &dirfd);

	return err ? err : open_at(o, dirfd, name, fd);
}

static int open_by_names(struct commit_ctx *ctx, const struct plan_object *o,
			 enum plan_side side, int *fd)
{
	uint32_t i = o->first_name[side];
	bool is_hidden = false;
	int err = -ENOENT;

	for (; is_not_there(err) && i != PLAN_NONE;
	     i = ctx->plan->names[i]->next[side]) {
		const struct plan_name *n = ctx->plan->names[i];

		err = open_in_dir(ctx, o, n->dir, n->name, fd);
		is_hidden = is_hidden || err == -EXDEV;
	}
	return is_not_there(err) && is_hidden ? -EXDEV : err;
}

/* At any name of it, in any directory. */
static int open_at_names(struct commit_ctx *ctx, const struct plan_object *o,
			 int *fd)
{
	enum plan_side first = ctx->at.phase < PHASE_PLACE ?
				       plan_other(ctx->at.to) :
				       ctx->at.to;
	int err = open_by_names(ctx, o, first, fd);
	bool is_hidden = err == -EXDEV;

	if (is_not_there(err))
		err = open_by_names(ctx, o, plan_other(first), fd);
	is_hidden = is_hidden || err == -EXDEV;
	if (is_not_there(err) && o->home_name)
		err = open_in_dir(ctx, o, o->home_dir, o->home_name, fd);
	is_hidden = is_hidden || err == -EXDEV;
	if (is_not_there(err))
		return is_hidden ? -EXDEV : -ENOENT;
	return err;
}

static int open_anywhere(struct commit_ctx *ctx, struct plan_object *o, int *fd)
{
	char slot[STAGE_SLOT_BYTES];

	if (stage_find(ctx, o->id, slot))
		return open_at(o, ctx->fd.stage, slot, fd);
	return open_at_names(ctx, o, fd);
}

/*
 * A directory has up to three places, so an object that is missing would be
 * looked for 3^depth times.  Therefore each object notes the search that missed
 * it.  But where a circle was cut the object may still be found in another
 * way, so then it notes nothing.
 */
static int locate_below(struct commit_ctx *ctx, struct plan_object *o, int *fd)
{
	unsigned int cuts = ctx->search.cuts;
	int err;

	if (o->ino == 0 || o->missed == ctx->search.number)
		return -ENOENT;
	/* Two directories may each be looked for inside the other. */
	if (o->is_visited) {
		ctx->search.cuts++;
		return -ENOENT;
	}
	o->is_visited = true;
	err = open_anywhere(ctx, o, fd);
	o->is_visited = false;
	if ((err == -ENOENT || err == -EXDEV) && ctx->search.cuts == cuts)
		o->missed = ctx->search.number;
	return err;
}

int locate_object(struct commit_ctx *ctx, uint32_t id, int *fd)
{
	struct plan_object *o = ctx->plan->objects[id];
	bool is_first;
	int err = fault_point("commit.locate");

	if (err)
		return err;
	if (id == PLAN_ROOT)
		return beneath_open(ctx->fd.root, ".", O_PATH, fd);
	is_first = !ctx->search.is_on;
	if (is_first)
		ctx->search.number++;
	ctx->search.is_on = true;
	err = locate_below(ctx, o, fd);
	ctx->search.is_on = !is_first;
	return err;
}

int locate_elsewhere(struct commit_ctx *ctx, const struct plan_object *o,
		     bool *is_named)
{
	int err;
	int fd;

	*is_named = false;
	/* A directory has one name. */
	if (S_ISDIR(plan_type(o)))
		return 0;
	ctx->search.number++;
	ctx->search.is_on = true;
	err = open_at_names(ctx, o, &fd);
	ctx->search.is_on = false;
	if (!err)
		close(fd);
	*is_named = !err;
	return err == -ENOENT ? 0 : err;
}

int locate_dir(struct commit_ctx *ctx, uint32_t id, int *fd)
{
	struct plan_object *o = ctx->plan->objects[id];
	int got;
	int err;

	if (id == PLAN_ROOT || o->dirfd >= 0) {
		*fd = id == PLAN_ROOT ? ctx->fd.root : o->dirfd;
		return 0;
	}
	err = locate_object(ctx, id, &got);
	if (err)
		return err;
	if (ctx->search.open_dirs >= dirfds_max())
		locate_forget(ctx);
	o->dirfd = got;
	ctx->search.open_dirs++;
	*fd = got;
	return 0;
}

int locate_fail(struct commit_ctx *ctx, uint32_t object, int err)
{
	if (err == -EXDEV)
		return commit_ctx_refuse(
			ctx, object,
			"something is mounted there, or above it, in the base; unmount that",
			err);
	return commit_ctx_fail(ctx, object, "cannot find it", err);
}

/* SPDX-License-Identifier: MIT */
/*
 * What the steps of a commit have in common: counting bytes, flushing, and
 * saying which object failed and why.
 */
#include "ctx.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/lib/fault.h"

int commit_ctx_refuse(struct commit_ctx *ctx, uint32_t object,
		      const char *sentence, int err)
{
	char *path = NULL;

	if (plan_path(ctx->plan, object, PLAN_BEFORE, &path) &&
	    plan_path(ctx->plan, object, PLAN_AFTER, &path))
		path = NULL;
	reason_set(ctx->why, "%s: %s", path && path[0] ? path : "the base",
		   sentence);
	free(path);
	return err;
}

int commit_ctx_fail(struct commit_ctx *ctx, uint32_t object, const char *what,
		    int err)
{
	/* The user stopped it, and no object is to blame. */
	if (err == -EINTR)
		return err;
	(void)commit_ctx_refuse(ctx, object, what, err);
	reason_add(ctx->why, ": %s", reason_of(err));
	return err;
}

int commit_ctx_step(struct commit_ctx *ctx, uint64_t bytes)
{
	ctx->meter.done_bytes += bytes;
	return ctx->meter.progress ? ctx->meter.progress(ctx->meter.arg,
							 ctx->meter.done_bytes,
							 ctx->meter.all_bytes) :
				     0;
}

static int sync_all(const char *point, int fd)
{
	int err = fault_point(point);

	if (!err && syncfs(fd) < 0)
		err = -errno;
	return err;
}

int commit_ctx_barrier(struct commit_ctx *ctx)
{
	int err = sync_all("commit.sync.base", ctx->fd.root);

	return err ? err : sync_all("commit.sync.store", ctx->fd.store);
}

/* SPDX-License-Identifier: MIT */
/*
 * An object is moved where store and base are on one file system.  A copy of a
 * file is made under another name first: gone_has() must be true of a whole
 * copy only.
 */
#include "gone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "copy.h"
#include "core/lib/beneath.h"
#include "core/lib/io.h"
#include "core/lib/owner.h"

static void gone_name(const struct plan_object *o, char name[STAGE_SLOT_BYTES])
{
	(void)snprintf(name, STAGE_SLOT_BYTES, "%u", o->id);
}

/* To another file system; it appears under its name when it is complete. */
static int copy_gone(struct commit_ctx *ctx, const char *slot, const char *kept)
{
	char tmp[STAGE_SLOT_BYTES + 8];
	int from;
	int to = -1;
	int err;

	(void)snprintf(tmp, sizeof(tmp), "%s.tmp", kept);
	err = beneath_open(ctx->fd.stage, slot, O_RDONLY, &from);
	if (err)
		return err;
	err = owner_create_file(ctx->fd.gone, tmp, O_RDWR, &to);
	if (!err)
		err = copy_file(ctx, from, to);
	if (!err)
		err = io_fsync("commit.gone", to);
	if (!err && renameat(ctx->fd.gone, tmp, ctx->fd.gone, kept) < 0)
		err = -errno;
	if (to >= 0)
		close(to);
	/* Half a copy only takes the space that undoing needs. */
	if (err)
		(void)unlinkat(ctx->fd.gone, tmp, 0);
	close(from);
	return err;
}

int gone_keep(struct commit_ctx *ctx, struct plan_object *o)
{
	char slot[STAGE_SLOT_BYTES];
	char kept[STAGE_SLOT_BYTES];
	struct stat st;
	int err;

	if (!plan_removes(o, ctx->at.to) || ctx->at.to == PLAN_BEFORE ||
	    !stage_find(ctx, o->id, slot))
		return 0;
	gone_name(o, kept);
	err = fstatat(ctx->fd.gone, kept, &st, AT_SYMLINK_NOFOLLOW) == 0 ?
		      0 :
		      stage_move(ctx->fd.stage, slot, ctx->fd.gone, kept);
	if (err == -EXDEV)
		err = S_ISREG(plan_type(o)) ? copy_gone(ctx, slot, kept) : 0;
	return err ? commit_ctx_fail(ctx, o->id, "cannot keep it in the store",
				     err) :
		     0;
}

bool gone_has(const struct commit_ctx *ctx, const struct plan_object *o)
{
	char kept[STAGE_SLOT_BYTES];

	gone_name(o, kept);
	return faccessat(ctx->fd.gone, kept, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       errno != ENOENT;
}

int gone_move_back(const struct commit_ctx *ctx, const struct plan_object *o,
		   const char *slot)
{
	char kept[STAGE_SLOT_BYTES];

	gone_name(o, kept);
	return renameat(ctx->fd.gone, kept, ctx->fd.stage, slot) < 0 ? -errno :
								       0;
}

int gone_copy_back(struct commit_ctx *ctx, const struct plan_object *o, int to)
{
	char kept[STAGE_SLOT_BYTES];
	int from;
	int err;

	gone_name(o, kept);
	from = openat(ctx->fd.gone, kept,
		      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (from < 0)
		return -errno;
	err = copy_file(ctx, from, to);
	close(from);
	return err;
}

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
#include "left.h"
#include "locate.h"

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

/*
 * Must the object in the staging directory be kept in the store?  The commit
 * removes it; or names.c found no place for it in the base, neither the new one
 * nor the old one.  What was new has its bytes in the store already.
 */
static int find_homeless(struct commit_ctx *ctx, const struct plan_object *o,
			 bool *is_homeless)
{
	bool is_named = false;
	int err = 0;

	if (o->side[ctx->at.to].exists)
		err = locate_elsewhere(ctx, o, &is_named);
	*is_homeless = o->side[ctx->at.to].exists && !is_named;
	return err ? locate_fail(ctx, o->id, err) : 0;
}

/* Where it cannot be moved the plan has all of it, unless it is homeless. */
static int keep_elsewhere(struct commit_ctx *ctx, const struct plan_object *o,
			  const char *slot, bool is_homeless)
{
	char kept[STAGE_SLOT_BYTES];

	gone_name(o, kept);
	if (S_ISREG(plan_type(o)))
		return copy_gone(ctx, slot, kept);
	if (!is_homeless)
		return 0;
	stage_slot_of_kept(o->id, kept);
	return stage_move(ctx->fd.stage, slot, ctx->fd.stage, kept);
}

static int keep(struct commit_ctx *ctx, const struct plan_object *o,
		const char *slot, bool is_homeless)
{
	char kept[STAGE_SLOT_BYTES];
	struct stat st;
	int err;

	gone_name(o, kept);
	err = fstatat(ctx->fd.gone, kept, &st, AT_SYMLINK_NOFOLLOW) == 0 ?
		      0 :
		      stage_move(ctx->fd.stage, slot, ctx->fd.gone, kept);
	if (err == -EXDEV)
		err = keep_elsewhere(ctx, o, slot, is_homeless);
	return err ? commit_ctx_fail(ctx, o->id, "cannot keep it in the store",
				     err) :
		     0;
}

static int say_kept(struct commit_ctx *ctx, const struct plan_object *o)
{
	char sentence[REASON_BYTES];

	if (gone_has(ctx, o))
		(void)snprintf(
			sentence, sizeof(sentence),
			"it has no place any more, and is kept as %s/commit/%llu/gone/%u",
			ctx->store, (unsigned long long)ctx->at.number, o->id);
	else
		(void)snprintf(
			sentence, sizeof(sentence),
			"it has no place any more, and is kept in the base as %s/k%u",
			ctx->stage, o->id);
	return left_add(ctx, o->id, sentence);
}

int gone_keep(struct commit_ctx *ctx, struct plan_object *o)
{
	char slot[STAGE_SLOT_BYTES];
	bool is_homeless = false;
	int err;

	if (!o->side[PLAN_BEFORE].exists || o->id == PLAN_ROOT ||
	    !stage_find(ctx, o->id, slot))
		return 0;
	err = find_homeless(ctx, o, &is_homeless);
	if (!err && (is_homeless || plan_removes(o, ctx->at.to)))
		err = keep(ctx, o, slot, is_homeless);
	return err || !is_homeless ? err : say_kept(ctx, o);
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

/* SPDX-License-Identifier: MIT */
/*
 * The result of an object is like a signature: size, times and mode.
 */
#include "result.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "locate.h"
#include "saved_file.h"
#include "stage.h"

static void after_of(const struct stat *st, struct result *a)
{
	bool is_dir = S_ISDIR(st->st_mode);

	*a = (struct result){
		.ino = st->st_ino,
		.size_bytes = is_dir ? 0 : (uint64_t)st->st_size,
		.mtime_s = (uint64_t)st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		/* It changes with each name in a directory, which is no matter. */
		.ctime_s = is_dir ? 0 : (uint64_t)st->st_ctim.tv_sec,
		.ctime_ns = is_dir ? 0 : (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.is_there = 1,
	};
}

int result_look(struct commit_ctx *ctx, const struct plan_object *o,
		struct result *a)
{
	struct stat st;
	int fd;
	int err;

	*a = (struct result){ 0 };
	err = locate_object(ctx, o->id, &fd);
	/* Its directory may forbid even its owner to look: then it is not judged. */
	if (err == -ENOENT || err == -EACCES)
		return 0;
	if (err)
		return err;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else
		after_of(&st, a);
	close(fd);
	return err;
}

/* What the store keeps of a file that was removed, for its undo to compare. */
static int look_at_kept(const struct commit_ctx *ctx,
			const struct plan_object *o, struct result *a)
{
	char name[STAGE_SLOT_BYTES];
	struct stat st;

	(void)snprintf(name, sizeof(name), "%u", o->id);
	if (fstatat(ctx->fd.gone, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	after_of(&st, a);
	a->is_there = 0;
	return 0;
}

static int look(struct commit_ctx *ctx, const struct plan_object *o,
		struct result *a)
{
	*a = (struct result){ 0 };
	if (plan_removes(o, PLAN_AFTER) && S_ISREG(plan_type(o)))
		return look_at_kept(ctx, o, a);
	if (!o->is_touched || !o->side[PLAN_AFTER].exists)
		return 0;
	return result_look(ctx, o, a);
}

static void put_after(struct bytes *b, const struct result *a)
{
	bytes_put64(b, a->ino);
	bytes_put64(b, a->size_bytes);
	bytes_put64(b, a->mtime_s);
	bytes_put64(b, a->ctime_s);
	bytes_put32(b, a->mtime_ns);
	bytes_put32(b, a->ctime_ns);
	bytes_put32(b, a->mode);
	bytes_put32(b, a->is_there);
}

static void get_after(struct bytes_reader *r, struct result *a)
{
	a->ino = bytes_get64(r);
	a->size_bytes = bytes_get64(r);
	a->mtime_s = bytes_get64(r);
	a->ctime_s = bytes_get64(r);
	a->mtime_ns = bytes_get32(r);
	a->ctime_ns = bytes_get32(r);
	a->mode = bytes_get32(r);
	a->is_there = bytes_get32(r);
}

int result_save(int dirfd, const struct plan *p, const struct result *all)
{
	struct bytes b = { 0 };
	int err;

	for (uint32_t i = 0; i < p->object_count; i++)
		put_after(&b, &all[i]);
	err = saved_file_write(dirfd, SAVED_FILE_AFTER, &b);
	bytes_fini(&b);
	return err;
}

int result_read(int dirfd, const struct plan *p, struct result **out,
		struct reason *why)
{
	struct result *all = calloc((size_t)p->object_count + 1, sizeof(*all));
	struct bytes_reader r = { 0 };
	uint8_t *buf;
	size_t len;
	int err = all ? saved_file_read(dirfd, SAVED_FILE_AFTER, &buf, &len,
					why) :
			-ENOMEM;

	if (err) {
		free(all);
		return err;
	}
	r.at = buf;
	r.left_bytes = len;
	for (uint32_t i = 0; i < p->object_count; i++)
		get_after(&r, &all[i]);
	free(buf);
	if (r.bad || r.left_bytes) {
		free(all);
		saved_file_refuse(dirfd, SAVED_FILE_AFTER, len, why);
		return -EUCLEAN;
	}
	*out = all;
	return 0;
}

int result_write(struct commit_ctx *ctx)
{
	const struct plan *p = ctx->plan;
	struct result *all = calloc((size_t)p->object_count + 1, sizeof(*all));
	int err = all ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < p->object_count; i++)
		err = look(ctx, p->objects[i], &all[i]);
	if (!err)
		err = result_save(ctx->fd.dir, p, all);
	free(all);
	return err;
}

/* A directory that the base had before may get other names meanwhile. */
bool result_fits(const struct plan_object *o, const struct result *a,
		 const struct result *b)
{
	if (a->is_there != b->is_there || a->mode != b->mode)
		return false;
	if (S_ISDIR(a->mode) && o->side[PLAN_BEFORE].exists)
		return true;
	return a->size_bytes == b->size_bytes && a->mtime_s == b->mtime_s &&
	       a->mtime_ns == b->mtime_ns && a->ctime_s == b->ctime_s &&
	       a->ctime_ns == b->ctime_ns;
}

static int check_objects(struct commit_ctx *ctx, const struct result *all)
{
	struct result now;
	int err = 0;

	for (uint32_t i = 0; !err && i < ctx->plan->object_count; i++) {
		struct plan_object *o = ctx->plan->objects[i];

		if (!all[i].is_there)
			continue;
		err = look(ctx, o, &now);
		if (!err && !result_fits(o, &all[i], &now))
			err = commit_ctx_refuse(
				ctx, i,
				"it was changed since the commit, and undoing would lose that; nothing was undone",
				-ESTALE);
	}
	return err;
}

/*
 * Was the object put back at its old name, because it had no new place?  The
 * number alone would not tell: that of a removed object is given again.
 */
static bool stayed(const struct commit_ctx *ctx, const struct plan_name *n,
		   const struct stat *st)
{
	const struct plan_object *o =
		ctx->plan->objects[n->object[PLAN_BEFORE]];

	return o->side[PLAN_AFTER].exists && plan_object_is(o, st);
}

/* A name that the commit removed must still be free. */
static int check_names(struct commit_ctx *ctx)
{
	for (uint32_t i = 0; i < ctx->plan->name_count; i++) {
		const struct plan_name *n = ctx->plan->names[i];
		struct stat st;
		int dirfd = -1;

		if (!plan_name_changes(n) || n->object[PLAN_AFTER] != PLAN_NONE)
			continue;
		if (locate_dir(ctx, n->dir, &dirfd))
			continue;
		if (fstatat(dirfd, n->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    !stayed(ctx, n, &st))
			return commit_ctx_refuse(
				ctx, n->object[PLAN_BEFORE],
				"the name was used again since the commit, and nothing was undone; move that away",
				-EEXIST);
	}
	return 0;
}

int result_check(struct commit_ctx *ctx)
{
	struct result *all;
	int err = result_read(ctx->fd.dir, ctx->plan, &all, ctx->why);

	if (err)
		return err;
	err = check_objects(ctx, all);
	free(all);
	return err ? err : check_names(ctx);
}

int result_forget(const struct commit_ctx *ctx)
{
	int err = fault_point("commit.unlink");

	if (!err && unlinkat(ctx->fd.dir, "after", 0) < 0 && errno != ENOENT)
		err = -errno;
	return err ? err : io_fsync("commit.dir", ctx->fd.dir);
}

/* SPDX-License-Identifier: MIT */
#include "kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "result.h"
#include "stage.h"
#include "work_dir.h"

static const char missing[] = "is missing from the store";

static void name_of(const struct plan_object *o, char name[STAGE_SLOT_BYTES])
{
	(void)snprintf(name, STAGE_SLOT_BYTES, "%u", o->id);
}

/* `a`: what the commit recorded of it; NULL: nothing. */
static bool fits(const struct plan_object *o, const struct result *a,
		 const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return false;
	if (a)
		return (uint64_t)st->st_size == a->size_bytes &&
		       (uint64_t)st->st_mtim.tv_sec == a->mtime_s &&
		       (uint32_t)st->st_mtim.tv_nsec == a->mtime_ns;
	/* A copy, which has another number, has a time of its own. */
	if (st->st_ino != o->was_ino)
		return (uint64_t)st->st_size == o->side[PLAN_BEFORE].size_bytes;
	return plan_object_is_as(o, PLAN_BEFORE, (uint64_t)st->st_size,
				 st->st_mtim);
}

/* What is wrong with the file that is kept; NULL: nothing. */
static int judge(int gonefd, const struct plan_object *o,
		 const struct result *all, const char **what)
{
	const struct result *a = all && all[o->id].mode ? &all[o->id] : NULL;
	char name[STAGE_SLOT_BYTES];
	struct stat st;

	*what = NULL;
	if (!S_ISREG(plan_type(o)) || !plan_removes(o, PLAN_AFTER))
		return 0;
	name_of(o, name);
	if (fstatat(gonefd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return -errno;
		/* Without a record others may have removed it before. */
		if (a)
			*what = missing;
		return 0;
	}
	if (!fits(o, a, &st))
		*what = "is damaged: its type, size or modification time is not that of the file that the commit removed";
	return 0;
}

static int refuse(struct commit_ctx *ctx, const struct plan_object *o,
		  const char *what)
{
	char text[REASON_BYTES];

	(void)snprintf(
		text, sizeof(text),
		"the commit removed it, and what undoing needs, %s/commit/%llu/gone/%u, %s; nothing was written; undo the rest with `mapfs commit --undo --skip-damaged %s`",
		ctx->store, (unsigned long long)ctx->at.number, o->id, what,
		ctx->store);
	return commit_ctx_refuse(ctx, o->id, text, -EBADMSG);
}

static int check_all(struct commit_ctx *ctx, const struct result *all,
		     bool is_ended, bool may_skip)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < ctx->plan->object_count; i++) {
		struct plan_object *o = ctx->plan->objects[i];
		const char *what;

		err = judge(ctx->fd.gone, o, all, &what);
		if (err)
			return commit_ctx_fail(
				ctx, i, "cannot look at it in the store", err);
		/* An undo that was interrupted has taken some of them. */
		if (!what || (!is_ended && what == missing))
			continue;
		if (may_skip)
			o->is_damaged = true;
		else
			err = refuse(ctx, o, what);
	}
	return err;
}

int kept_check(struct commit_ctx *ctx, bool is_ended, bool may_skip)
{
	struct result *all = NULL;
	int err = result_read(ctx->fd.dir, ctx->plan, &all, ctx->why);

	/* It has not ended, or its undo is about to. */
	if (err && err != -ENOENT)
		return err;
	err = check_all(ctx, all, is_ended, may_skip);
	free(all);
	return err;
}

static int find_all(int gonefd, const struct plan *p, const struct result *all,
		    int (*fn)(void *arg, const char *name, const char *what),
		    void *arg)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < p->object_count; i++) {
		char name[STAGE_SLOT_BYTES];
		const char *what;

		err = judge(gonefd, p->objects[i], all, &what);
		if (err || !what)
			continue;
		name_of(p->objects[i], name);
		err = fn(arg, name, what);
	}
	return err;
}

int kept_find_damage(int dirfd,
		     int (*fn)(void *arg, const char *name, const char *what),
		     void *arg, struct reason *why)
{
	struct result *all = NULL;
	struct plan *p = NULL;
	int fd = -1;
	int err = work_dir_load_plan(dirfd, &p, why);

	if (!err)
		err = result_read(dirfd, p, &all, why);
	if (!err)
		fd = openat(dirfd, "gone",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (!err && fd < 0)
		err = -errno;
	if (!err)
		err = find_all(fd, p, all, fn, arg);
	if (fd >= 0)
		close(fd);
	free(all);
	plan_destroy(p);
	return err;
}

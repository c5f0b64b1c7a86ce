/* SPDX-License-Identifier: MIT */
/*
 * A trial costs one attempt for the largest of each kind, not one for each
 * object of the plan.
 */
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base/base.h"
#include "core/lib/beneath.h"
#include "core/lib/fault.h"
#include "stage.h"
#include "xattr.h"

/* No file system has a lower limit. */
#define TARGET_ALWAYS_FITS 255

struct trial {
	struct commit_ctx *ctx;
	int dir;
	int file;
	struct timespec root_mtime;
};

static void remove_all(struct trial *t)
{
	(void)unlinkat(t->dir, STAGE_TRY_FILE, 0);
	(void)unlinkat(t->dir, STAGE_TRY_LINK, 0);
}

static int refuse_root(struct trial *t, int err)
{
	reason_set(
		t->ctx->why,
		"base %s: cannot make a directory beside its files, as a commit has to, and nothing was written: %s",
		base_path(t->ctx->overlay->base), reason_of(err));
	return err;
}

/*
 * Only making a directory tells whether that is possible: a view of windows has
 * a root that looks like any other.
 */
static int open_dir(struct trial *t)
{
	struct stat was;
	int err = fstat(t->ctx->fd.root, &was) < 0 ? -errno : 0;

	if (err)
		return err;
	t->root_mtime = was.st_mtim;
	if (mkdirat(t->ctx->fd.root, STAGE_TRY, 0700) < 0 && errno != EEXIST)
		return refuse_root(t, -errno);
	err = beneath_open(t->ctx->fd.root, STAGE_TRY, O_RDONLY | O_DIRECTORY,
			   &t->dir);
	if (err)
		return refuse_root(t, err);
	/* Of a trial that was killed. */
	remove_all(t);
	return 0;
}

/* A file without a name is nothing that a kill could leave behind. */
static int open_file(struct trial *t)
{
	int err;

	t->file = openat(t->ctx->fd.root, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
			 0600);
	if (t->file >= 0)
		return 0;
	err = open_dir(t);
	if (err)
		return err;
	t->file = openat(t->dir, STAGE_TRY_FILE,
			 O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			 0600);
	return t->file < 0 ? refuse_root(t, -errno) : 0;
}

static int end(struct trial *t, int err)
{
	if (t->file >= 0)
		close(t->file);
	if (t->dir < 0)
		return err;
	remove_all(t);
	close(t->dir);
	if (unlinkat(t->ctx->fd.root, STAGE_TRY, AT_REMOVEDIR) < 0 && !err)
		err = -errno;
	/* Its owner may: a commit that ends here leaves the times as they were. */
	(void)!futimens(t->ctx->fd.root, (const struct timespec[]){
						 { .tv_nsec = UTIME_OMIT },
						 t->root_mtime,
					 });
	return err;
}

static bool is_written(const struct plan_object *o)
{
	return o->side[PLAN_AFTER].exists && S_ISREG(plan_type(o)) &&
	       (!o->side[PLAN_BEFORE].exists || o->has_data);
}

/* A file of a view may be larger than the base, or the shell, allows. */
static int try_sizes(struct trial *t)
{
	const struct plan *p = t->ctx->plan;
	const struct plan_object *most = NULL;
	struct rlimit limit;
	uint64_t size = 0;

	for (uint32_t i = 0; i < p->object_count; i++) {
		const struct plan_object *o = p->objects[i];

		if (!is_written(o) || o->side[PLAN_AFTER].size_bytes <= size)
			continue;
		size = o->side[PLAN_AFTER].size_bytes;
		most = o;
	}
	if (!most)
		return 0;
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && size > limit.rlim_cur)
		return commit_ctx_refuse(
			t->ctx, most->id,
			"it is larger than files of this process may be, and nothing was written; raise that limit with `ulimit -f`",
			-EFBIG);
	if (ftruncate(t->file, (off_t)size) < 0 && errno == EFBIG)
		return commit_ctx_refuse(
			t->ctx, most->id,
			"it is larger than the file system of the base allows, and nothing was written; truncate it in the view",
			-EFBIG);
	return ftruncate(t->file, 0) < 0 ? -errno : 0;
}

/* A quota, which no other call knows for each kind of file system. */
static int try_room(struct trial *t)
{
	const uint64_t bytes = t->ctx->meter.all_bytes;
	struct rlimit limit;
	struct statfs fs;
	int err;

	/* There it takes memory, and time; its free space is true. */
	if (bytes == 0 || fstatfs(t->file, &fs) < 0 ||
	    fs.f_type == TMPFS_MAGIC ||
	    (getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes > limit.rlim_cur))
		return 0;
	err = fallocate(t->file, 0, 0, (off_t)bytes) < 0 ? -errno : 0;
	if (ftruncate(t->file, 0) < 0)
		return -errno;
	if (err != -EDQUOT && err != -ENOSPC)
		return 0;
	reason_set(
		t->ctx->why,
		"base %s: %llu bytes would be written, and %s, so nothing was written; make room first",
		base_path(t->ctx->overlay->base), (unsigned long long)bytes,
		err == -EDQUOT ? "a quota leaves less" : "less are free");
	return err;
}

static int try_links(struct trial *t)
{
	const struct plan *p = t->ctx->plan;
	const struct plan_object *most = NULL;
	size_t len = TARGET_ALWAYS_FITS;

	for (uint32_t i = 0; i < p->object_count; i++) {
		const struct plan_object *o = p->objects[i];

		if (!plan_creates(o, PLAN_AFTER) || !o->target ||
		    strlen(o->target) <= len)
			continue;
		len = strlen(o->target);
		most = o;
	}
	if (!most)
		return 0;
	if (symlinkat(most->target, t->dir, STAGE_TRY_LINK) < 0 &&
	    errno == ENAMETOOLONG)
		return commit_ctx_refuse(
			t->ctx, most->id,
			"its target is longer than the file system of the base allows, and nothing was written; shorten it in the view",
			-ENAMETOOLONG);
	return 0;
}

static int try_names(struct trial *t)
{
	const struct plan *p = t->ctx->plan;
	const long most = fpathconf(t->ctx->fd.root, _PC_NAME_MAX);

	for (uint32_t i = 0; most > 0 && i < p->name_count; i++) {
		const struct plan_name *n = p->names[i];

		if (n->object[PLAN_AFTER] != PLAN_NONE &&
		    plan_name_changes(n) && n->name_bytes > most)
			return commit_ctx_refuse(
				t->ctx, n->object[PLAN_AFTER],
				"its name is longer than the file system of the base allows, and nothing was written; shorten it in the view",
				-ENAMETOOLONG);
	}
	return 0;
}

/* The space that attributes need, about as file systems count it. */
static uint64_t xattr_cost(const struct plan_state *s)
{
	uint64_t cost = 0;

	for (size_t i = 0; i < s->xattr_count; i++)
		cost += 16 + strlen(s->xattrs[i].name) +
			s->xattrs[i].value_bytes;
	return cost;
}

static int try_xattrs_of(struct trial *t, const struct plan_object *o)
{
	const struct plan_state none = { 0 };
	int err = xattrs_write(t->file, &o->side[PLAN_AFTER]);

	if (err == -ENOSPC || err == -EDQUOT || err == -E2BIG ||
	    err == -ERANGE || err == -EOPNOTSUPP) {
		(void)commit_ctx_refuse(
			t->ctx, o->id,
			"the file system of the base does not take its extended attributes, and nothing was written",
			err);
		reason_add(t->ctx->why, ": %s", reason_of(err));
		return err;
	}
	/* Others are a matter of rights, and may be there already. */
	return xattrs_write(t->file, &none) == -ENOMEM ? -ENOMEM : 0;
}

/* The largest set, and the first of each namespace. */
static int try_xattrs(struct trial *t)
{
	static const char *const spaces[] = { "user.", "trusted.", "security.",
					      "system." };
	const struct plan *p = t->ctx->plan;
	bool is_tried[sizeof(spaces) / sizeof(*spaces)] = { false };
	uint64_t most = 0;
	int err = 0;

	for (uint32_t i = 0; !err && i < p->object_count; i++) {
		const struct plan_object *o = p->objects[i];
		const struct plan_state *s = &o->side[PLAN_AFTER];
		bool is_new = xattr_cost(s) > most;

		if (!s->exists || !o->has_xattrs || s->xattr_count == 0)
			continue;
		for (size_t x = 0; x < s->xattr_count; x++)
			for (size_t n = 0; n < sizeof(spaces) / sizeof(*spaces);
			     n++)
				if (!is_tried[n] &&
				    strncmp(s->xattrs[x].name, spaces[n],
					    strlen(spaces[n])) == 0)
					is_tried[n] = is_new = true;
		if (xattr_cost(s) > most)
			most = xattr_cost(s);
		if (is_new)
			err = try_xattrs_of(t, o);
	}
	return err;
}

int trial_of_plan(struct commit_ctx *ctx)
{
	struct trial t = { .ctx = ctx, .dir = -1, .file = -1 };
	int err = fault_point("commit.trial");

	if (!err)
		err = open_file(&t);
	if (!err)
		err = try_sizes(&t);
	if (!err)
		err = try_names(&t);
	if (!err)
		err = try_xattrs(&t);
	if (!err)
		err = try_room(&t);
	/* Last and at once, because others see that directory. */
	if (!err && t.dir < 0)
		err = open_dir(&t);
	if (!err)
		err = try_links(&t);
	return end(&t, err);
}

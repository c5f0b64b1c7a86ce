/* SPDX-License-Identifier: MIT */
/*
 * Each rename of a commit has the staging directory on one side, so the rename
 * that overwrites nothing is here, too.
 */
#include "stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/base/base.h"
#include "core/lib/beneath.h"
#include "core/lib/fault.h"
#include "core/lib/path.h"

/*
 * Only the user of the commit may enter it, and what is built in it must not
 * inherit an ACL from the root of the base.
 */
int stage_open(struct commit_ctx *ctx, bool create)
{
	char path[PATH_OF_FD_BYTES];
	int err = fault_point("commit.stage");

	if (err)
		return err;
	if (create && mkdirat(ctx->fd.root, ctx->stage, 0700) < 0 &&
	    errno != EEXIST)
		return commit_ctx_fail(ctx, PLAN_ROOT,
				       "cannot make a directory in it", -errno);
	err = beneath_open(ctx->fd.root, ctx->stage, O_RDONLY | O_DIRECTORY,
			   &ctx->fd.stage);
	if (err)
		return err;
	path_of_fd(ctx->fd.stage, path);
	if (removexattr(path, "system.posix_acl_default") < 0 &&
	    errno != ENODATA && errno != EOPNOTSUPP)
		return -errno;
	return 0;
}

void stage_slot_of_name(const struct plan_name *n, enum plan_side from,
			char slot[STAGE_SLOT_BYTES])
{
	(void)snprintf(slot, STAGE_SLOT_BYTES, "%c%u",
		       from == PLAN_BEFORE ? 'b' : 'a', n->id);
}

void stage_slot_of_build(uint32_t id, char slot[STAGE_SLOT_BYTES])
{
	(void)snprintf(slot, STAGE_SLOT_BYTES, "n%u", id);
}

void stage_slot_of_kept(uint32_t id, char slot[STAGE_SLOT_BYTES])
{
	(void)snprintf(slot, STAGE_SLOT_BYTES, "k%u", id);
}

static bool slot_holds(const struct commit_ctx *ctx,
		       const struct plan_object *o, const char *slot)
{
	struct stat st;

	return fstatat(ctx->fd.stage, slot, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       plan_object_is(o, &st);
}

bool stage_find(const struct commit_ctx *ctx, uint32_t id,
		char slot[STAGE_SLOT_BYTES])
{
	const struct plan_object *o = ctx->plan->objects[id];

	if (ctx->fd.stage < 0)
		return false;
	for (int side = 0; side < PLAN_SIDES; side++) {
		uint32_t i = o->first_name[side];

		for (; i != PLAN_NONE; i = ctx->plan->names[i]->next[side]) {
			const struct plan_name *n = ctx->plan->names[i];

			if (!plan_name_changes(n))
				continue;
			stage_slot_of_name(n, (enum plan_side)side, slot);
			if (slot_holds(ctx, o, slot))
				return true;
		}
	}
	stage_slot_of_build(id, slot);
	return slot_holds(ctx, o, slot);
}

static int rename_exclusive(int fromdir, const char *from, int todir,
			    const char *to)
{
	struct stat st;
	int err = fault_point("commit.rename");

	if (err)
		return err;
	if (renameat2(fromdir, from, todir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* The file system does not know that flag. */
	if (fstatat(todir, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(fromdir, from, todir, to) < 0 ? -errno : 0;
}

int stage_move(int fromdir, const char *from, int todir, const char *to)
{
	struct stat st;
	int err = rename_exclusive(fromdir, from, todir, to);

	if (err != -EACCES ||
	    fstatat(fromdir, from, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode) ||
	    fchmodat(fromdir, from, (st.st_mode & 07777) | 0700, 0) < 0)
		return err;
	return rename_exclusive(fromdir, from, todir, to);
}

int stage_wipe(const struct commit_ctx *ctx, const char *slot)
{
	if (unlinkat(ctx->fd.stage, slot, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	return unlinkat(ctx->fd.stage, slot, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* An object left in it has a name in the base or the store, or is removed. */
static int wipe_all(const struct commit_ctx *ctx, bool *is_full)
{
	int fd = dup(ctx->fd.stage);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int err = 0;

	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	rewinddir(dir);
	while (!err && (e = readdir(dir))) {
		if (path_is_dot(e->d_name))
			continue;
		if (e->d_name[0] == 'k') {
			*is_full = true;
			continue;
		}
		err = fault_point("commit.unlink");
		if (!err)
			err = stage_wipe(ctx, e->d_name);
		/* With something of others in it, and no place for it. */
		if (err == -ENOTEMPTY || err == -EEXIST) {
			*is_full = true;
			err = 0;
		}
	}
	closedir(dir);
	return err;
}

/* What a power cut brought back of trial.c. */
static void remove_trial(const struct commit_ctx *ctx)
{
	int fd;

	if (beneath_open(ctx->fd.root, STAGE_TRY, O_RDONLY | O_DIRECTORY, &fd))
		return;
	(void)unlinkat(fd, STAGE_TRY_FILE, 0);
	(void)unlinkat(fd, STAGE_TRY_LINK, 0);
	close(fd);
	(void)unlinkat(ctx->fd.root, STAGE_TRY, AT_REMOVEDIR);
}

int stage_remove(struct commit_ctx *ctx, bool *is_full)
{
	int err;

	*is_full = false;
	err = wipe_all(ctx, is_full);
	if (!err)
		remove_trial(ctx);
	if (!err)
		err = fault_point("commit.unstage");
	if (!err && !*is_full &&
	    unlinkat(ctx->fd.root, ctx->stage, AT_REMOVEDIR) < 0)
		err = -errno;
	if (err)
		return err;
	close(ctx->fd.stage);
	ctx->fd.stage = -1;
	return 0;
}

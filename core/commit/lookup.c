/* SPDX-License-Identifier: MIT */
/*
 * A name is opened below the descriptor of its directory [S2], so the object
 * found is the one that has the name now, whatever the view knew.
 */
#include "lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conflict.h"
#include "core/lib/beneath.h"
#include "core/lib/path.h"
#include "core/lib/timespec.h"
#include "locate.h"

#define LOOK_MASK (STATX_BASIC_STATS | STATX_BTIME)

static int read_target(int fd, struct plan_object *o)
{
	char buf[PATH_MAX];
	ssize_t n = readlinkat(fd, "", buf, sizeof(buf));

	if (n < 0)
		return -errno;
	o->target = strndup(buf, (size_t)n);
	return o->target ? 0 : -ENOMEM;
}

static int fill_before(struct planning_ctx *c, struct plan_object *o, int fd,
		       const struct statx *stx)
{
	const struct record_sig sig = overlay_sig_of(stx);

	o->side[PLAN_BEFORE] = (struct plan_state){
		.exists = true,
		.mode = stx->stx_mode,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.atime = timespec_of_statx(stx->stx_atime),
		.mtime = timespec_of_statx(stx->stx_mtime),
		.size_bytes = S_ISREG(stx->stx_mode) ? stx->stx_size : 0,
	};
	o->rdev = ((uint64_t)stx->stx_rdev_major << 32) | stx->stx_rdev_minor;
	c->info[o->id].nlink = stx->stx_nlink;
	c->info[o->id].is_locked =
		(stx->stx_attributes &
		 (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0;
	c->info[o->id].sum = sig_sum(&sig);
	return S_ISLNK(stx->stx_mode) ? read_target(fd, o) : 0;
}

static int look_at(struct planning_ctx *c, int fd, struct plan_object **out)
{
	struct plan_object *o;
	struct statx stx;
	int err = 0;

	if (statx(fd, "", AT_EMPTY_PATH, LOOK_MASK, &stx) < 0)
		return -errno;
	o = plan_find_object(c->plan, stx.stx_ino);
	if (!o) {
		err = planning_add_object(c, stx.stx_ino, &o);
		if (!err)
			err = fill_before(c, o, fd, &stx);
		if (!err)
			err = conflict_compare(c, o, &stx);
	}
	if (!err)
		*out = o;
	return err;
}

int lookup_root(struct planning_ctx *c)
{
	struct plan_object *o;
	struct statx stx;
	int err;

	if (statx(c->commit->fd.root, "", AT_EMPTY_PATH, LOOK_MASK, &stx) < 0)
		return -errno;
	err = planning_add_object(c, stx.stx_ino, &o);
	if (!err)
		err = fill_before(c, o, c->commit->fd.root, &stx);
	return err ? err : conflict_compare(c, o, &stx);
}

static int refuse_mount(struct planning_ctx *c, uint32_t dir, const char *name)
{
	char *above = NULL;
	char *path = NULL;
	int err = plan_path(c->plan, dir, PLAN_BEFORE, &above);

	if (!err)
		err = path_join(&path, above, name);
	if (!err)
		reason_set(
			c->commit->why,
			"%s: something else is mounted there in the base; unmount it first",
			path);
	free(path);
	free(above);
	return err ? err : -EXDEV;
}

int lookup_name(struct planning_ctx *c, uint32_t dir, const char *name,
		struct plan_object **out)
{
	struct plan_object *o = NULL;
	int dirfd = -1;
	int fd = -1;
	int err;

	*out = NULL;
	if (!c->plan->objects[dir]->side[PLAN_BEFORE].exists)
		return 0;
	err = locate_dir(c->commit, dir, &dirfd);
	if (!err)
		err = beneath_open(dirfd, name, O_PATH, &fd);
	if (err == -ENOENT || err == -ENOTDIR)
		return 0;
	if (err == -EXDEV)
		return refuse_mount(c, dir, name);
	if (err)
		return commit_ctx_fail(c->commit, dir, name, err);
	err = look_at(c, fd, &o);
	close(fd);
	if (!err && o)
		err = plan_set_home(o, dir, name);
	if (!err)
		*out = o;
	return err;
}

int lookup_path(struct planning_ctx *c, char *path, struct base_place *out)
{
	struct plan_object *at = c->plan->objects[PLAN_ROOT];
	char *name = path;
	int err = 0;

	*out = (struct base_place){ .dir = PLAN_NONE };
	while (at && *name) {
		char *end = name + strcspn(name, "/");
		bool more = *end != '\0';
		struct plan_name *known;

		*end = '\0';
		out->dir = at->id;
		out->last = name;
		/* No directory any more: it can have no names. */
		if (!S_ISDIR(plan_type(at))) {
			at = NULL;
			out->dir = PLAN_NONE;
		}
		known = at ? plan_find_name(c->plan, at->id, name) : NULL;
		if (known)
			at = known->object[PLAN_BEFORE] == PLAN_NONE ?
				     NULL :
				     c->plan->objects[known->object[PLAN_BEFORE]];
		else if (at)
			err = lookup_name(c, at->id, name, &at);
		if (err)
			return err;
		if (!at && more)
			out->dir = PLAN_NONE;
		name = more ? end + 1 : end;
	}
	out->object = at;
	return 0;
}

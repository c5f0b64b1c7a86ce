/* SPDX-License-Identifier: MIT */
#include "mounting.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/mount/place.h"
#include "fs/session/daemon.h"
#include "fs/session/server.h"
#include "fs/session/unmount.h"
#include "mounts.h"
#include "registry.h"
#include "text.h"

#define DEAD_MOST 8 /* dead mounts on one place */

/*
 * Removes a dead mount of mapfs from `path`.  0: the place is free; 1: a mount
 * was removed, and another may be below it.
 */
static int place_clear(const char *path, const struct mount_row *row)
{
	struct mapfs_control_info info;
	struct reason words;
	struct stat st;
	int err;

	if (!mounts_is_mapfs(row)) {
		if (stat(path, &st) == 0 || errno != ENOTCONN)
			return 0;
		say("%s: a dead %s mount is here; unmount that first", path,
		    row->type);
		return -EBUSY;
	}
	err = mounts_ask(row, &info);
	if (err == -ENOTCONN || err == -ECONNABORTED) {
		err = unmount_path(path, true, &words);
		if (!err)
			return 1;
		say("%s: a dead mapfs mount is here and cannot be unmounted "
		    "(%s); unmount it as root",
		    path, strerror(-err));
		return err;
	}
	if (err == -ETIMEDOUT)
		say("%s: a mapfs mount is here and does not answer; end its "
		    "daemon, then mount again",
		    path);
	else
		say("%s: a view of %s is mounted here; run mapfs umount %s "
		    "first",
		    path, row->source, path);
	return -EBUSY;
}

static int place_free_of_mounts(const char *path)
{
	for (int i = 0; i < DEAD_MOST; i++) {
		struct mounts *table;
		struct mount_row row;
		int found = 0;

		if (mounts_read(&table)) {
			say("/proc/self/mountinfo: cannot be read; mount proc");
			return -EIO;
		}
		if (mounts_find(table, path, &row))
			found = place_clear(path, &row);
		mounts_free(table);
		if (found <= 0)
			return found;
	}
	return 0;
}

/* Could the mount point be a file? */
static bool fits_file(const struct fs_options *opt)
{
	struct stat base;

	if (opt->windows.count > 0)
		return opt->windows.count == 1;
	return opt->base_kind == MAPFS_BASE_AT_PATH &&
	       stat(opt->base, &base) == 0 && !S_ISDIR(base.st_mode);
}

static void say_no_place(const struct fs_options *opt, const char *target,
			 int err)
{
	switch (err) {
	case ENOENT:
		if (fits_file(opt))
			say("%s: no such file or directory; make a directory "
			    "(mkdir) or a file (touch) first",
			    target);
		else
			say("%s: no such directory; make it first (mkdir)",
			    target);
		break;
	case EACCES:
		say("%s: permission denied; mount on a directory of your own",
		    target);
		break;
	case ENOTDIR:
		say("%s: not a directory; mount on a directory", target);
		break;
	default:
		say("%s: %s; mount on another directory", target,
		    strerror(err));
		break;
	}
}

/* Makes `target` free for a mount; sets the mount point. */
static int place_take(struct fs_options *opt, const char *target)
{
	char path[PATH_MAX];
	struct reason why;
	int err;

	if (!realpath(target, path)) {
		err = errno;
		say_no_place(opt, target, err);
		return -err;
	}
	err = place_free_of_mounts(path);
	if (err)
		return err;
	opt->mountpoint = strdup(path);
	if (!opt->mountpoint) {
		say("out of memory; try again later");
		return -ENOMEM;
	}
	err = place_check(opt, &why);
	if (err)
		say("%s", why.text);
	return err;
}

int mounting_start(struct fs_options *opt, const char *target, bool foreground)
{
	struct reason why;
	int err = place_take(opt, target);

	if (err)
		return err;
	/* Before a view can cover the registry. */
	if (opt->store_kind == MAPFS_STORE_DIR && !opt->snapshot)
		registry_add(opt->store, opt->base);
	if (foreground)
		err = server_serve(opt, -1, &why);
	else
		err = daemon_start(opt, &why);
	/* A failure, or a warning. */
	if (err || (!foreground && !reason_is_empty(&why)))
		say("%s", why.text);
	return err;
}

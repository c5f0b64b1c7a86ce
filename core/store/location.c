/* SPDX-License-Identifier: MIT */
/*
 * A store inside its base would be shown by the view and grow with every look
 * at it; a base inside its store would be served from the files that it
 * changes.  Both are found by walking from one directory up to the root and
 * comparing device and inode with the other one, so that no spelling of a path
 * can hide them.
 */
#include "location.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/only_file.h"

static bool same_object(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Opens the directory `path` below `at`, and its attributes. */
static int open_place(int at, const char *path, int *fd, struct stat *st)
{
	int got = openat(at, path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (got < 0)
		return -errno;
	if (fstat(got, st) < 0) {
		int err = -errno;

		close(got);
		return err;
	}
	*fd = got;
	return 0;
}

/* Is `fd` the directory `what`, or below it?  Walks up to the root. */
static int is_below(int fd, const struct stat *what, bool *below)
{
	struct stat here = { 0 };
	struct stat up = { 0 };
	int at = -1;
	int next = -1;
	int err = open_place(fd, ".", &at, &here);

	while (!err) {
		*below = same_object(&here, what);
		if (*below)
			break;
		err = open_place(at, "..", &next, &up);
		if (err)
			break;
		close(at);
		at = next;
		if (same_object(&here, &up))
			break;
		here = up;
	}
	if (at >= 0)
		close(at);
	return err;
}

int location_check_outside(int fd, const struct store_options *opt,
			   struct reason *why)
{
	struct stat base = { 0 };
	bool below = false;
	int err = fstat(opt->base_fd, &base) < 0 ? -errno : 0;

	if (!err)
		err = is_below(fd, &base, &below);
	if (err) {
		reason_set(why, "store %s: %s", opt->path, reason_of(err));
		return err;
	}
	if (!below)
		return 0;
	reason_set(
		why,
		"store %s lies inside the base %s, so the view would show it; choose a directory outside",
		opt->path, opt->base);
	return -EINVAL;
}

/* The directory that is the base, or is above the file that is the base. */
static int open_base_place(const struct store_options *opt, int *fd)
{
	struct stat base;

	if (fstat(opt->base_fd, &base) < 0)
		return -errno;
	if (!S_ISDIR(base.st_mode))
		return only_file_open_above(opt->base, fd);
	*fd = open(opt->base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

/* base_fd may be in a detached clone of the mount, whose root has no "..". */
int location_check_base(int storefd, const struct store_options *opt,
			struct reason *why)
{
	struct stat store = { 0 };
	bool below = false;
	int fd = -1;
	int err = fstat(storefd, &store) < 0 ? -errno : 0;

	if (!err)
		err = open_base_place(opt, &fd);
	if (!err)
		err = is_below(fd, &store, &below);
	if (fd >= 0)
		close(fd);
	if (err) {
		reason_set(why, "base %s: %s", opt->base, reason_of(err));
		return err;
	}
	if (!below)
		return 0;
	reason_set(
		why,
		"base %s lies inside the store %s, which holds only changes; choose another store",
		opt->base, opt->path);
	return -EINVAL;
}

int location_check_apart(int fd, int from, const char *path, const char *name,
			 struct reason *why)
{
	struct stat store = { 0 };
	bool below = false;
	int err = fstat(from, &store) < 0 ? -errno : 0;

	if (!err)
		err = is_below(fd, &store, &below);
	if (err) {
		reason_set(why, "store %s: %s", name, reason_of(err));
		return err;
	}
	if (!below)
		return 0;
	reason_set(
		why,
		"store %s lies inside the store %s; choose a directory outside",
		name, path);
	return -EINVAL;
}

/* SPDX-License-Identifier: MIT */
/*
 * The kernel requires that the root of a mount and its mount point are both
 * directories, or both not.
 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file shows the base, if that is a file, too, or the only window. */
static int file_check(const struct fs_options *opt, struct reason *why)
{
	struct stat base;

	if (opt->base_kind == MAPFS_BASE_NONE) {
		reason_set(why,
			   "%s: a file, but a view without a base is a "
			   "directory; mount on a directory",
			   opt->mountpoint);
		return -EISDIR;
	}
	if (opt->windows.count > 1) {
		reason_set(why,
			   "%s: a file, where only one of the %zu windows can "
			   "be shown; mount on a directory",
			   opt->mountpoint, opt->windows.count);
		return -EINVAL;
	}
	/* What else is wrong with the base, the core explains. */
	if (opt->windows.count == 0 && stat(opt->base, &base) == 0 &&
	    S_ISDIR(base.st_mode)) {
		reason_set(why,
			   "%s: a file, but the base %s is a directory; mount "
			   "on a directory, or show a file of the base with "
			   "--window",
			   opt->mountpoint, opt->base);
		return -EISDIR;
	}
	return 0;
}

int place_check(struct fs_options *opt, struct reason *why)
{
	struct stat st;
	int err;

	if (stat(opt->mountpoint, &st) < 0) {
		err = -errno;
		reason_set(why, "%s: %s; mount on another directory",
			   opt->mountpoint, strerror(-err));
		return err;
	}
	opt->root_is_file = S_ISREG(st.st_mode);
	if (S_ISDIR(st.st_mode))
		return 0;
	if (opt->root_is_file)
		return file_check(opt, why);
	reason_set(
		why,
		"%s: neither a directory nor a regular file; mount on one of "
		"these",
		opt->mountpoint);
	return -ENOTDIR;
}

/* Takes `dir`, in which the file is made. */
static int file_create(const char *base, char *dir, char **out)
{
	const char *name = strrchr(base, '/');
	char *path = NULL;
	int err = 0;
	int fd;

	if (asprintf(&path, "%s/%s", dir, name ? name + 1 : base) < 0)
		return -ENOMEM;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		err = -errno;
		free(path);
		return err;
	}
	close(fd);
	free(dir);
	*out = path;
	return 0;
}

int place_create(const struct fs_options *opt, const char *parent, char **out)
{
	char *dir;
	int err = 0;

	if (asprintf(&dir, "%s/mapfs-XXXXXX", parent) < 0)
		return -ENOMEM;
	if (!mkdtemp(dir)) {
		err = -errno;
		free(dir);
		return err;
	}
	if (!opt->root_is_file) {
		*out = dir;
		return 0;
	}
	err = file_create(opt->base, dir, out);
	if (err) {
		rmdir(dir);
		free(dir);
	}
	return err;
}

int place_remove(const struct fs_options *opt)
{
	char *dir;
	int err = 0;

	if (!opt->root_is_file)
		return rmdir(opt->mountpoint) < 0 ? -errno : 0;
	dir = strndup(opt->mountpoint, (size_t)(strrchr(opt->mountpoint, '/') -
						opt->mountpoint));
	if (!dir)
		return -ENOMEM;
	if (unlink(opt->mountpoint) < 0 || rmdir(dir) < 0)
		err = -errno;
	free(dir);
	return err;
}

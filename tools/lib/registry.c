/* SPDX-License-Identifier: MIT */
#include "registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/checksum.h"
#include "core/mapfs.h"
#include "state.h"

#define NAME_BYTES 17 /* 16 hexadecimal digits */

static bool is_mine(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* Makes it in a directory of this user only. */
static void make_registry(char *path)
{
	char part[PATH_MAX];
	struct stat st;
	char *slash;

	(void)snprintf(part, sizeof(part), "%s", path);
	while (stat(part, &st) < 0) {
		slash = strrchr(part, '/');
		if (!slash || slash == part)
			return;
		*slash = '\0';
	}
	if (st.st_uid != geteuid())
		return;
	state_make_parents(path);
	(void)mkdir(path, 0700);
}

/* Makes it, if that is wanted and it would not lie in `base` (or NULL). */
static int registry_open(bool make, const char *base, int *fd)
{
	char *place;
	char *path;
	int err = state_place(&place);

	if (err)
		return err;
	if (asprintf(&path, "%s/stores", place) < 0) {
		free(place);
		return -ENOMEM;
	}
	free(place);
	if (base && (strcmp(base, "/") == 0 || state_is_in(path, base))) {
		free(path);
		return -EXDEV;
	}
	if (make)
		make_registry(path);
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	err = *fd < 0 ? -errno : 0;
	free(path);
	if (!err && !is_mine(*fd)) {
		close(*fd);
		err = -EPERM;
	}
	return err;
}

/* The absolute path, also of a store that does not exist yet. */
static int find_path(const char *store, char out[PATH_MAX])
{
	char *copy = strdup(store);
	char above[PATH_MAX];
	size_t len = strlen(store);
	char *slash;
	int n = -1;

	if (!copy)
		return -ENOMEM;
	if (realpath(store, out)) {
		free(copy);
		return 0;
	}
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (realpath(!slash ? "." : slash == copy ? "/" : copy, above))
		n = snprintf(out, PATH_MAX, "%s/%s",
			     strcmp(above, "/") ? above : "",
			     slash ? slash + 1 : copy);
	free(copy);
	return n < 0 || n >= PATH_MAX ? -ENOENT : 0;
}

static void entry_name(const char *path, char out[NAME_BYTES])
{
	(void)snprintf(out, NAME_BYTES, "%016" PRIx64,
		       checksum64(path, strlen(path), 0));
}

static void write_entry(int dir, const char *path)
{
	char name[NAME_BYTES];
	char old[PATH_MAX];
	ssize_t n;

	entry_name(path, name);
	n = readlinkat(dir, name, old, sizeof(old));
	if (n == (ssize_t)strlen(path) && memcmp(old, path, (size_t)n) == 0)
		return;
	if (n >= 0)
		(void)unlinkat(dir, name, 0);
	(void)!symlinkat(path, dir, name);
}

void registry_add(const char *store, const char *base)
{
	struct mapfs_store_info info = { 0 };
	char path[PATH_MAX];
	char real[PATH_MAX];
	struct reason why;
	int dir = -1;

	if (find_path(store, path))
		return;
	if (!base && mapfs_store_describe(path, &info, &why))
		return;
	if (!base)
		base = info.base;
	/* What is not there cannot change. */
	if (registry_open(true, realpath(base, real), &dir) == 0) {
		write_entry(dir, path);
		close(dir);
	}
	mapfs_store_info_fini(&info);
}

void registry_drop(const char *store)
{
	char name[NAME_BYTES];
	char path[PATH_MAX];
	int dir = -1;

	if (find_path(store, path) || registry_open(false, NULL, &dir))
		return;
	entry_name(path, name);
	(void)unlinkat(dir, name, 0);
	close(dir);
}

static bool is_entry(const char *name)
{
	return strlen(name) == NAME_BYTES - 1 &&
	       strspn(name, "0123456789abcdef") == NAME_BYTES - 1;
}

static int read_entry(int dir, const char *name,
		      int (*fn)(void *arg, const char *store), void *arg)
{
	char path[PATH_MAX];
	ssize_t n = readlinkat(dir, name, path, sizeof(path) - 1);
	int ret = 1;

	if (n < 0)
		return 0;
	path[n] = '\0';
	if (path[0] == '/')
		ret = fn(arg, path);
	if (ret == 1)
		(void)unlinkat(dir, name, 0);
	return ret == 1 ? 0 : ret;
}

int registry_iterate(int (*fn)(void *arg, const char *store), void *arg)
{
	const struct dirent *e;
	int ret = 0;
	int fd = -1;
	int err = registry_open(false, NULL, &fd);
	DIR *dir;

	if (err)
		return err == -ENOENT || err == -ENOTDIR ? 0 : err;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	while (!ret && (e = readdir(dir)))
		if (is_entry(e->d_name))
			ret = read_entry(fd, e->d_name, fn, arg);
	closedir(dir);
	return ret;
}

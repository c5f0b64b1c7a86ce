/* SPDX-License-Identifier: MIT */
#include "remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/journal/spare.h"
#include "core/lib/fault.h"
#include "layout.h"

/* Removes the directory `name` and everything in it; follows no link. */
static int remove_tree(int dirfd, const char *name)
{
	const struct dirent *e;
	int err = 0;
	DIR *dir;
	int fd = openat(dirfd, name,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	while (!err && (e = readdir(dir))) {
		err = fault_point("store.remove");
		if (err)
			break;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, e->d_name, 0) == 0)
			continue;
		err = errno == EISDIR || errno == EPERM ?
			      remove_tree(fd, e->d_name) :
			      -errno;
	}
	closedir(dir);
	if (!err && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
		err = -errno;
	return err;
}

/* Only if it is still at `path`, which others may have changed. */
static int remove_directory(int dirfd, const char *path)
{
	const char *name = strrchr(path, '/');
	struct stat there;
	struct stat st;
	int up = openat(dirfd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	if (up < 0 || fstat(dirfd, &st) < 0 || !name ||
	    fstatat(up, name + 1, &there, AT_SYMLINK_NOFOLLOW) < 0)
		err = -errno;
	else if (st.st_dev != there.st_dev || st.st_ino != there.st_ino)
		err = -ESTALE;
	else if (unlinkat(up, name + 1, AT_REMOVEDIR) < 0)
		err = -errno;
	if (up >= 0)
		close(up);
	return err;
}

static int remove_file(int dirfd, const char *name)
{
	int err = fault_point("store.remove");

	if (!err && unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		err = -errno;
	return err;
}

/*
 * Pages are removed before the journal: one without the other is a leftover
 * (leftover.h), so a removal that was interrupted can be repeated.  The anchor
 * goes before the pages, so that a store which only lost its pages is none.  `readers` stays until then, so that no hold
 * can be taken of a store that is being removed.
 */
int store_remove(int dirfd, const char *path)
{
	static const char *const files[] = { STORE_ANCHOR, STORE_PAGES,
					     SPARE_NAME, SPARE_EMPTY_NAME,
					     STORE_README };
	static const char *const dirs[] = { STORE_COMMIT, STORE_BRANCHES,
					    STORE_JOURNAL_PART, STORE_JOURNAL };
	int err = 0;

	for (size_t n = 0; !err && n < sizeof(files) / sizeof(*files); n++)
		err = remove_file(dirfd, files[n]);
	for (size_t n = 0; !err && n < sizeof(dirs) / sizeof(*dirs); n++)
		err = remove_tree(dirfd, dirs[n]);
	if (!err)
		err = remove_file(dirfd, STORE_READERS);
	if (!err)
		err = remove_file(dirfd, STORE_LOCK);
	if (!err)
		err = fault_point("store.remove");
	return err ? err : remove_directory(dirfd, path);
}

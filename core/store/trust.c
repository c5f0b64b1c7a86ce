/* SPDX-License-Identifier: MIT */
/*
 * Everything in the store that will be read is checked before anything is read.
 * The directory is checked first: if others cannot write to a directory, the
 * files that its names lead to cannot be exchanged after they were checked.
 *
 *   STORE/                    the directory
 *     lock pages README readers anchor
 *     journal/N   branches/U  directories and their content
 *     commit/N/...            but not below "gone": objects that a commit
 *                             removed from the base, with their owners of there
 *
 * Other files do not belong to a store and are never read.
 */
#include "trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/journal/spare.h"
#include "core/lib/owner.h"
#include "core/lib/path.h"
#include "core/mapfs.h"
#include "layout.h"

/* The file that others could have written, by its name in the store. */
struct trust_finding {
	struct owner_finding why;
	char name[PATH_MAX];
};

static int check_dir(struct trust_finding *f, int dirfd, const char *path,
		     int depth);

static int check_name(struct trust_finding *f, int dirfd, const char *path,
		      const char *name, int depth)
{
	char below[PATH_MAX];
	int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int dir;
	int err;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = path_join_into(below, sizeof(below), path, name);
	if (!err)
		err = owner_check(fd, &f->why);
	if (err == -EPERM)
		(void)snprintf(f->name, sizeof(f->name), "%s", below);
	if (!err && depth > 0 && strcmp(name, "gone") != 0) {
		dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0)
			err = check_dir(f, dir, below, depth - 1);
		else if (errno != ENOTDIR)
			err = -errno;
	}
	close(fd);
	return err;
}

/* Closes the descriptor. */
static int check_dir(struct trust_finding *f, int dirfd, const char *path,
		     int depth)
{
	DIR *dir = fdopendir(dirfd);
	const struct dirent *e;
	int err = 0;

	if (!dir) {
		err = -errno;
		close(dirfd);
		return err;
	}
	while (!err && (e = readdir(dir)))
		if (!path_is_dot(e->d_name))
			err = check_name(f, dirfd, path, e->d_name, depth);
	closedir(dir);
	return err;
}

static int check_all(struct trust_finding *f, int dirfd)
{
	static const struct {
		const char *name;
		int depth; /* of directories in it */
	} parts[] = {
		{ STORE_LOCK, 0 },	   { STORE_PAGES, 0 },
		{ STORE_README, 0 },	   { STORE_READERS, 0 },
		{ STORE_ANCHOR, 0 },	   { STORE_JOURNAL, 1 },
		{ STORE_JOURNAL_PART, 1 }, { STORE_BRANCHES, 1 },
		{ STORE_COMMIT, 2 },	   { SPARE_NAME, 0 },
		{ SPARE_EMPTY_NAME, 0 },
	};
	int err = owner_check(dirfd, &f->why);

	for (size_t n = 0; !err && n < sizeof(parts) / sizeof(*parts); n++)
		err = check_name(f, dirfd, "", parts[n].name, parts[n].depth);
	return err;
}

static void say_finding(const struct trust_finding *f, const char *path,
			struct reason *why)
{
	char who[OWNER_NAME_BYTES];

	owner_name(f->why.uid, who);
	if (f->why.is_shared)
		reason_set(
			why,
			"store %s: others may write to its %s%s, so its content could be crafted; remove that right (chmod go-w), or say --trust if you trust all of them",
			path, *f->name ? "file " : "directory", f->name);
	else if (*f->name)
		reason_set(
			why,
			"store %s: its file %s belongs to user %s, so its content could be crafted; say --trust if you trust that user",
			path, f->name, who);
	else
		reason_set(
			why,
			"store %s belongs to user %s, so its content could be crafted; say --trust if you trust that user",
			path, who);
}

int store_trust_check(int dirfd, const char *path, bool is_trusted,
		      struct reason *why)
{
	struct trust_finding f = { .name = "" };
	int err = is_trusted ? 0 : check_all(&f, dirfd);

	if (err == -EPERM)
		say_finding(&f, path, why);
	else if (err)
		reason_set(why, "store %s: %s", path, reason_of(err));
	return err;
}

int mapfs_store_trust_check(const char *path, bool is_trusted,
			    struct reason *why)
{
	int err;
	int fd;

	if (is_trusted)
		return 0;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* The call that needs the store reports why it cannot be opened. */
	if (fd < 0)
		return 0;
	err = store_trust_check(fd, path, false, why);
	close(fd);
	return err;
}

/* SPDX-License-Identifier: MIT */
/*
 * A directory commit/N with a plan, but neither `after` nor `left`, is either
 * left over from planning, or the commit had begun.  Only in the second case the
 * base has the directory .mapfs-commit-T, where T is in `sums`.
 */
#include "lost_commit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "core/lib/io.h"
#include "core/lib/le.h"
#include "core/lib/path.h"
#include "layout.h"

/* Where the payload of commit/N/sums begins: with T. */
#define SUMS_TAG_AT 32

static bool has(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* `dirfd` is commit/N.  A T that is damaged names no directory of the base. */
static bool has_stage(int dirfd, int basefd)
{
	char name[40];
	le64 tag;
	int err;
	int fd = openat(dirfd, "sums",
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return false;
	err = io_pread_all(fd, &tag, sizeof(tag), SUMS_TAG_AT);
	close(fd);
	(void)snprintf(name, sizeof(name), ".mapfs-commit-%016" PRIx64,
		       err ? 0 : le64_get(tag));
	return !err && has(basefd, name);
}

static bool is_lost(int topfd, const char *name, int basefd)
{
	int fd = openat(topfd, name,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	bool lost;

	if (fd < 0)
		return false;
	lost = has(fd, "plan") && !has(fd, "after") && !has(fd, "left") &&
	       has_stage(fd, basefd);
	close(fd);
	return lost;
}

bool lost_commit_exists(int dirfd, int basefd)
{
	const struct dirent *e;
	bool lost = false;
	DIR *dir;
	int fd;

	if (basefd < 0 || has(dirfd, STORE_COMMIT_OPEN))
		return false;
	fd = openat(dirfd, STORE_COMMIT,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!lost && (e = readdir(dir)))
		lost = !path_is_dot(e->d_name) &&
		       is_lost(fd, e->d_name, basefd);
	closedir(dir);
	return lost;
}

void lost_commit_explain(struct reason *why, const char *store)
{
	reason_set(
		why,
		"store %s has a commit that was interrupted, and its file " STORE_COMMIT_OPEN
		" is missing: it can be neither finished nor undone; put that file back, or end the commit as it is with `mapfs commit --abandon %s`, first",
		store, store);
}

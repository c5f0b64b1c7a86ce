/* SPDX-License-Identifier: MIT */
/*
 * Commits in the store: numbered directories, found by their numbers.  One
 * that has neither been finished nor is under way is what is left of planning
 * and means nothing.
 */
#include "commit_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "core/lib/owner.h"
#include "core/lib/path.h"
#include "saved_file.h"

#define NUMBER_BYTES 24

int commit_open_top(struct mapfs_commit *c, bool create)
{
	struct commit_work *w = &c->work;
	int err = 0;

	if (w->topfd >= 0)
		return 0;
	if (create)
		err = owner_create_dir(w->storefd, "commit");
	if (create && !err)
		err = io_fsync("commit.dir", w->storefd);
	if (err && err != -EEXIST)
		return err;
	w->topfd = openat(w->storefd, "commit",
			  O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return w->topfd < 0 ? -errno : 0;
}

static void number_name(uint64_t number, char name[NUMBER_BYTES])
{
	(void)snprintf(name, NUMBER_BYTES, "%llu", (unsigned long long)number);
}

/* The number a name stands for; 0: it is none. */
static uint64_t number_of(const char *name)
{
	char back[NUMBER_BYTES];
	uint64_t number = strtoull(name, NULL, 10);

	number_name(number, back);
	return strcmp(back, name) == 0 && number < UINT64_MAX ? number : 0;
}

static bool is_finished(int topfd, uint64_t number)
{
	char path[NUMBER_BYTES + 8];

	(void)snprintf(path, sizeof(path), "%llu/after",
		       (unsigned long long)number);
	return faccessat(topfd, path, F_OK, 0) == 0;
}

/* The highest number, of all or of finished ones; 0: none. */
static int find_highest(int topfd, bool finished, uint64_t *out)
{
	int fd = openat(topfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	*out = 0;
	if (!dir) {
		int err = -errno;

		if (fd >= 0)
			close(fd);
		return err;
	}
	while ((e = readdir(dir))) {
		uint64_t number = number_of(e->d_name);

		if (number > *out && (!finished || is_finished(topfd, number)))
			*out = number;
	}
	closedir(dir);
	return 0;
}

int commit_find_newest(struct mapfs_commit *c)
{
	int err = find_highest(c->work.topfd, true, &c->work.number);

	return err ? err : c->work.number ? 0 : -ENOENT;
}

/* One level of files and empty directories. */
static int remove_all(int dirfd, const char *name)
{
	int fd = openat(dirfd, name,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int err = 0;

	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err == -ENOENT ? 0 : err;
	}
	while (!err && (e = readdir(dir))) {
		if (path_is_dot(e->d_name))
			continue;
		if (unlinkat(fd, e->d_name, 0) < 0 &&
		    ((errno != EISDIR && errno != EPERM) ||
		     unlinkat(fd, e->d_name, AT_REMOVEDIR) < 0))
			err = -errno;
	}
	closedir(dir);
	if (!err && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
		err = -errno;
	return err;
}

int commit_forget_after(struct mapfs_commit *c)
{
	int err = fault_point("commit.unlink");

	if (!err && unlinkat(c->work.dirfd, "after", 0) < 0 && errno != ENOENT)
		err = -errno;
	return err ? err : io_fsync("commit.dir", c->work.dirfd);
}

int commit_remove_place(struct mapfs_commit *c, uint64_t number)
{
	char name[NUMBER_BYTES];
	int fd;
	int err;

	number_name(number, name);
	fd = openat(c->work.topfd, name,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	/* First what makes it count, and durably. */
	err = unlinkat(fd, "after", 0) < 0 && errno != ENOENT ? -errno : 0;
	if (!err)
		err = io_fsync("commit.dir", fd);
	if (!err)
		err = remove_all(fd, "gone");
	close(fd);
	return err ? err : remove_all(c->work.topfd, name);
}

static int make_parts(int topfd, const char *name)
{
	int saved = -1;
	int fd;
	int err = owner_create_dir(topfd, name);

	if (err)
		return err;
	fd = openat(topfd, name,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	err = owner_create_file(fd, "saved", O_WRONLY, &saved);
	if (!err)
		err = owner_create_dir(fd, "gone");
	if (saved >= 0)
		close(saved);
	if (!err)
		err = io_fsync("commit.dir", fd);
	close(fd);
	return err ? err : io_fsync("commit.dir", topfd);
}

int commit_make_place(struct mapfs_commit *c)
{
	struct commit_work *w = &c->work;
	char name[NUMBER_BYTES];
	uint64_t finished = 0;
	uint64_t highest = 0;
	int err = commit_open_top(c, true);

	if (!err)
		err = find_highest(w->topfd, true, &finished);
	if (!err)
		err = find_highest(w->topfd, false, &highest);
	for (; !err && highest > finished; highest--)
		err = commit_remove_place(c, highest);
	if (err)
		return err;
	if (getrandom(&w->stage_tag, sizeof(w->stage_tag), 0) !=
	    (ssize_t)sizeof(w->stage_tag))
		return -EIO;
	w->number = finished + 1;
	number_name(w->number, name);
	err = make_parts(w->topfd, name);
	return err ? err : work_open(w);
}

int commit_write_plan(struct mapfs_commit *c)
{
	struct commit_bytes b = { 0 };
	int err = plan_encode(c->work.plan, &b);

	/* The plan names saved bytes: they must be there first. */
	if (!err)
		err = io_fsync("commit.saved", c->work.savedfd);
	if (!err)
		err = commit_write_file(c->work.dirfd, "plan", COMMIT_FILE_PLAN,
					&b);
	commit_bytes_fini(&b);
	return err;
}

int commit_read_plan(struct mapfs_commit *c)
{
	struct plan *p;
	uint8_t *buf;
	size_t len;
	int err;

	work_close(&c->work);
	err = work_open(&c->work);
	if (!err)
		err = commit_read_file(c->work.dirfd, "plan", COMMIT_FILE_PLAN,
				       &buf, &len);
	if (err)
		return err;
	err = plan_decode(&p, buf, len);
	free(buf);
	if (err)
		return err;
	plan_destroy(c->work.plan);
	c->work.plan = p;
	return work_read_inos(&c->work);
}

int commit_close_state(struct mapfs_commit *c)
{
	int err = fault_point("commit.close");

	if (!err && unlinkat(c->work.topfd, "open", 0) < 0 && errno != ENOENT)
		err = -errno;
	return err ? err : io_fsync("commit.dir", c->work.topfd);
}

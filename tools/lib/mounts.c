/* SPDX-License-Identifier: MIT */
/*
 * A process that waits for a hung FUSE mount can only be killed after the
 * daemon of the mount; so every access that may wait is made in a child, which
 * may be left behind.
 */
#include "mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/lib/timespec.h"
#include "fs/mount/root.h"

#define ASK_MS 3000
#define MOUNTINFO "/proc/self/mountinfo"

struct mounts {
	struct libmnt_table *table;
	struct libmnt_iter *iter;
};

int mounts_read(struct mounts **out)
{
	struct mounts *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->table = mnt_new_table_from_file(MOUNTINFO);
	t->iter = mnt_new_iter(MNT_ITER_FORWARD);
	if (!t->table || !t->iter) {
		mounts_free(t);
		return -EIO;
	}
	*out = t;
	return 0;
}

void mounts_free(struct mounts *t)
{
	if (!t)
		return;
	mnt_free_iter(t->iter);
	mnt_unref_table(t->table);
	free(t);
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

bool mounts_next(struct mounts *t, struct mount_row *out)
{
	struct libmnt_fs *fs;

	if (mnt_table_next_fs(t->table, t->iter, &fs) != 0)
		return false;
	*out = (struct mount_row){
		.target = or_empty(mnt_fs_get_target(fs)),
		.source = or_empty(mnt_fs_get_source(fs)),
		.type = or_empty(mnt_fs_get_fstype(fs)),
		.dev = mnt_fs_get_devno(fs),
		.id = mnt_fs_get_id(fs),
		.parent_id = mnt_fs_get_parent_id(fs),
	};
	return true;
}

void mounts_rewind(struct mounts *t)
{
	mnt_reset_iter(t->iter, MNT_ITER_FORWARD);
}

/* The length of `target` if `path` is `target` or below it, else 0. */
static size_t covers(const char *target, const char *path)
{
	size_t n = strlen(target);

	if (n == 0 || strcmp(target, "/") == 0)
		return n;
	if (strncmp(path, target, n) != 0)
		return 0;
	return path[n] == '\0' || path[n] == '/' ? n : 0;
}

/* Is its parent in the table?  That of the root of a namespace is not. */
static bool has_parent(const struct mounts *t, const struct mount_row *row)
{
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	bool found = false;

	while (iter && !found && mnt_table_next_fs(t->table, iter, &fs) == 0)
		found = mnt_fs_get_id(fs) == row->parent_id &&
			mnt_fs_get_id(fs) != row->id;
	mnt_free_iter(iter);
	return found;
}

/*
 * The first mount on the mount `at` that a path walk to `path` meets.  NULL: the
 * walk begins at the root of the namespace.
 */
static bool next_on_way(struct mounts *t, const struct mount_row *at,
			const char *path, struct mount_row *out)
{
	size_t shortest = SIZE_MAX;
	struct mount_row row;

	mounts_rewind(t);
	while (mounts_next(t, &row)) {
		size_t n = covers(row.target, path);

		if (n == 0 || n >= shortest || (at && row.id == at->id))
			continue;
		if (at ? row.parent_id != at->id : has_parent(t, &row))
			continue;
		*out = row;
		shortest = n;
	}
	return shortest != SIZE_MAX;
}

/*
 * Follows the path walk of the kernel from mount to mount.  A mount with the
 * same path that another one covers is never met.
 */
bool mounts_find(struct mounts *t, const char *target, struct mount_row *out)
{
	struct mount_row row;
	bool found = next_on_way(t, NULL, target, &row);

	/* This ends, because each mount is further from the root. */
	while (found && next_on_way(t, &row, target, out))
		row = *out;
	if (!found || strcmp(row.target, target) != 0)
		return false;
	*out = row;
	return true;
}

bool mounts_is_mapfs(const struct mount_row *row)
{
	return strcmp(row->type, "fuse.mapfs") == 0;
}

static bool is_seen_by(pid_t pid, dev_t dev, struct mount_seen *out)
{
	char path[64];
	struct libmnt_table *table;
	struct libmnt_fs *fs = NULL;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	table = mnt_new_table_from_file(path);
	if (table)
		fs = mnt_table_find_devno(table, dev, MNT_ITER_FORWARD);
	if (fs) {
		out->pid = pid;
		snprintf(out->target, sizeof(out->target), "%s",
			 or_empty(mnt_fs_get_target(fs)));
	}
	mnt_unref_table(table);
	return fs != NULL;
}

bool mounts_seen(dev_t dev, struct mount_seen *out)
{
	DIR *proc = opendir("/proc");
	bool seen = is_seen_by(getpid(), dev, out);
	struct dirent *e;

	while (!seen && proc && (e = readdir(proc))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		seen = pid > 0 && is_seen_by(pid, dev, out);
	}
	if (proc)
		closedir(proc);
	return seen;
}

struct answer {
	int err;
	struct mapfs_control_info info;
};

static int ask_here(const struct mount_row *row, struct mapfs_control_info *out)
{
	int fd;
	int err = root_open(row->target, row->dev, &fd);

	if (err)
		return err;
	if (ioctl(fd, MAPFS_IOC_INFO, out) < 0)
		err = -errno;
	close(fd);
	return err;
}

static bool write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* All of `len` bytes within ASK_MS. */
static int read_in_time(int fd, void *buf, size_t len)
{
	int64_t end = timespec_monotonic_ms() + ASK_MS;
	struct pollfd p = {
		.fd = fd,
		.events = POLLIN,
	};
	char *to = buf;

	while (len > 0) {
		int64_t left = end - timespec_monotonic_ms();
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			return -ETIMEDOUT;
		n = read(fd, to, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		to += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A reader of our output must not wait for a child that hangs. */
static void let_go_of_stdio(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
}

int mounts_ask(const struct mount_row *row, struct mapfs_control_info *out)
{
	struct answer *a = calloc(1, sizeof(*a));
	int fds[2];
	pid_t pid;
	int err;

	if (!a)
		return -ENOMEM;
	if (pipe2(fds, O_CLOEXEC) < 0) {
		err = -errno;
		free(a);
		return err;
	}
	pid = fork();
	if (pid == 0) {
		let_go_of_stdio();
		a->err = ask_here(row, &a->info);
		_exit(write_all(fds[1], a, sizeof(*a)) ? 0 : 1);
	}
	err = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (!err)
		err = read_in_time(fds[0], a, sizeof(*a));
	close(fds[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		/* A child that hangs ends with the mount; it is not waited
		   for. */
		waitpid(pid, NULL, err ? WNOHANG : 0);
	}
	if (!err)
		err = a->err;
	if (!err)
		*out = a->info;
	free(a);
	return err;
}

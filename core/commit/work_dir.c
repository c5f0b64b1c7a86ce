/* SPDX-License-Identifier: MIT */
/*
 * Commits are numbered from 1.  The next number is one more than that of the
 * newest commit that has ended or left something out; a directory with a higher
 * number is a remainder of planning, and is removed.
 */
#include "work_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/lib/checksum.h"
#include "core/lib/io.h"
#include "core/lib/owner.h"
#include "core/lib/path.h"
#include "left.h"
#include "locate.h"
#include "plan_encode.h"
#include "saved_file.h"
#include "sums.h"

#define NUMBER_BYTES 24

int work_dir_open_top(struct commit_ctx *ctx, bool create)
{
	int err = 0;

	if (ctx->fd.top >= 0)
		return 0;
	if (create)
		err = owner_create_dir(ctx->fd.store, "commit");
	if (create && !err)
		err = io_fsync("commit.dir", ctx->fd.store);
	if (err && err != -EEXIST)
		return err;
	ctx->fd.top = openat(ctx->fd.store, "commit",
			     O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return ctx->fd.top < 0 ? -errno : 0;
}

static void number_name(uint64_t number, char name[NUMBER_BYTES])
{
	(void)snprintf(name, NUMBER_BYTES, "%llu", (unsigned long long)number);
}

/* The number that the name says; 0: the name is not a number. */
static uint64_t number_of(const char *name)
{
	char back[NUMBER_BYTES];
	uint64_t number = strtoull(name, NULL, 10);

	number_name(number, back);
	return strcmp(back, name) == 0 && number < UINT64_MAX ? number : 0;
}

static bool has_file(int topfd, uint64_t number, const char *name)
{
	char path[NUMBER_BYTES + 16];

	(void)snprintf(path, sizeof(path), "%llu/%s",
		       (unsigned long long)number, name);
	return faccessat(topfd, path, F_OK, 0) == 0;
}

static bool is_any(int topfd, uint64_t number)
{
	(void)topfd;
	(void)number;
	return true;
}

static bool is_finished(int topfd, uint64_t number)
{
	return has_file(topfd, number, "after");
}

/* With a list of what was left out it has a meaning for people. */
static bool is_kept(int topfd, uint64_t number)
{
	return is_finished(topfd, number) || has_file(topfd, number, LEFT_FILE);
}

/* The highest number of the commits that count; 0: none. */
static int find_highest(int topfd, bool (*counts)(int topfd, uint64_t number),
			uint64_t *out)
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

		if (number > *out && counts(topfd, number))
			*out = number;
	}
	closedir(dir);
	return 0;
}

int work_dir_find_newest(struct commit_ctx *ctx)
{
	int err = find_highest(ctx->fd.top, is_finished, &ctx->at.number);

	return err ? err : ctx->at.number ? 0 : -ENOENT;
}

int work_dir_find_last(struct commit_ctx *ctx)
{
	int err = find_highest(ctx->fd.top, is_any, &ctx->at.number);

	return err ? err : ctx->at.number ? 0 : -ENOENT;
}

/* Removes a directory with the files and empty directories in it. */
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

int work_dir_remove(struct commit_ctx *ctx, uint64_t number)
{
	char name[NUMBER_BYTES];
	int fd;
	int err;

	number_name(number, name);
	fd = openat(ctx->fd.top, name,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	/* First, and durably, what makes it a commit that can be undone. */
	err = unlinkat(fd, "after", 0) < 0 && errno != ENOENT ? -errno : 0;
	if (!err)
		err = io_fsync("commit.dir", fd);
	if (!err)
		err = remove_all(fd, "gone");
	close(fd);
	return err ? err : remove_all(ctx->fd.top, name);
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

int work_dir_create(struct commit_ctx *ctx)
{
	char name[NUMBER_BYTES];
	uint64_t kept = 0;
	uint64_t highest = 0;
	int err = work_dir_open_top(ctx, true);

	if (!err)
		err = find_highest(ctx->fd.top, is_kept, &kept);
	if (!err)
		err = find_highest(ctx->fd.top, is_any, &highest);
	for (; !err && highest > kept; highest--)
		err = work_dir_remove(ctx, highest);
	if (err)
		return err;
	if (getrandom(&ctx->at.stage_tag, sizeof(ctx->at.stage_tag), 0) !=
	    (ssize_t)sizeof(ctx->at.stage_tag))
		return -EIO;
	ctx->at.number = kept + 1;
	number_name(ctx->at.number, name);
	err = make_parts(ctx->fd.top, name);
	return err ? err : work_dir_open(ctx);
}

static int open_part(int dirfd, const char *name, int flags, int *fd)
{
	/* O_NONBLOCK: a fifo with this name would block the open. */
	*fd = openat(dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return *fd < 0 ? -errno : 0;
}

int work_dir_open_alone(struct commit_ctx *ctx)
{
	char name[NUMBER_BYTES];

	ctx->fd.dir = -1;
	ctx->fd.gone = -1;
	ctx->fd.saved = -1;
	ctx->fd.pages = -1;
	ctx->fd.stage = -1;
	number_name(ctx->at.number, name);
	(void)snprintf(ctx->stage, sizeof(ctx->stage), ".mapfs-commit-%016llx",
		       (unsigned long long)ctx->at.stage_tag);
	return open_part(ctx->fd.top, name, O_RDONLY | O_DIRECTORY,
			 &ctx->fd.dir);
}

int work_dir_open(struct commit_ctx *ctx)
{
	int err = work_dir_open_alone(ctx);

	if (!err)
		err = open_part(ctx->fd.dir, "gone", O_RDONLY | O_DIRECTORY,
				&ctx->fd.gone);
	if (!err)
		err = owner_open_file(ctx->fd.dir, "saved", O_RDWR,
				      &ctx->fd.saved);
	if (!err)
		err = open_part(ctx->fd.store, "pages", O_RDONLY,
				&ctx->fd.pages);
	if (err)
		work_dir_close(ctx);
	return err;
}

void work_dir_close(struct commit_ctx *ctx)
{
	int *const fds[] = { &ctx->fd.dir, &ctx->fd.gone, &ctx->fd.saved,
			     &ctx->fd.pages, &ctx->fd.stage };

	if (ctx->plan)
		locate_forget(ctx);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

int work_dir_write_inos(int dirfd, const struct plan *p)
{
	struct bytes b = { 0 };
	int err;

	for (uint32_t i = 0; i < p->object_count; i++)
		bytes_put64(&b, p->objects[i]->ino);
	err = saved_file_write(dirfd, SAVED_FILE_INOS, &b);
	bytes_fini(&b);
	return err;
}

static int read_inos(int dirfd, struct plan *p, struct reason *why)
{
	struct bytes_reader r = { 0 };
	uint8_t *buf;
	size_t len;
	int err = saved_file_read(dirfd, SAVED_FILE_INOS, &buf, &len, why);

	if (err)
		return err == -ENOENT ? 0 : err;
	r.at = buf;
	r.left_bytes = len;
	if (len == p->object_count * sizeof(uint64_t))
		for (uint32_t i = 0; i < p->object_count; i++)
			p->objects[i]->ino = bytes_get64(&r);
	else
		err = -EUCLEAN;
	if (err)
		saved_file_refuse(dirfd, SAVED_FILE_INOS, len, why);
	free(buf);
	return err;
}

int work_dir_write_plan(struct commit_ctx *ctx)
{
	struct bytes b = { 0 };
	int err;

	ctx->plan->has_sums = true;
	err = plan_encode(ctx->plan, &b);
	/* The plan refers to saved bytes, so these must be durable first. */
	if (!err)
		err = io_fsync("commit.saved", ctx->fd.saved);
	if (!err)
		err = saved_file_write(ctx->fd.dir, SAVED_FILE_PLAN, &b);
	if (!err) {
		ctx->plan->sum = checksum64(b.buf, b.len_bytes, 0);
		err = sums_write(ctx);
	}
	bytes_fini(&b);
	return err;
}

int work_dir_load_plan(int dirfd, struct plan **out, struct reason *why)
{
	struct plan *p;
	uint8_t *buf;
	size_t len;
	int err = saved_file_read(dirfd, SAVED_FILE_PLAN, &buf, &len, why);

	if (err)
		return err;
	err = plan_decode(&p, buf, len);
	if (!err)
		p->sum = checksum64(buf, len, 0);
	free(buf);
	if (err == -EUCLEAN)
		saved_file_refuse(dirfd, SAVED_FILE_PLAN, len, why);
	if (err)
		return err;
	err = read_inos(dirfd, p, why);
	if (err)
		plan_destroy(p);
	else
		*out = p;
	return err;
}

int work_dir_refuse_missing(struct commit_ctx *ctx, const char *name)
{
	reason_set(
		ctx->why,
		"%s/commit/%llu/%s: is missing from the store, and its commit can neither be finished nor undone without it; put it back",
		ctx->store, (unsigned long long)ctx->at.number, name);
	return -EUCLEAN;
}

int work_dir_check_inos(struct commit_ctx *ctx)
{
	return has_file(ctx->fd.top, ctx->at.number, "inos") ?
		       0 :
		       work_dir_refuse_missing(ctx, "inos");
}

bool work_dir_lost_its_end(const struct commit_ctx *ctx)
{
	return has_file(ctx->fd.top, ctx->at.number, "inos") &&
	       !is_kept(ctx->fd.top, ctx->at.number);
}

/* -ENOENT says nothing of what it is that is missing. */
static int name_missing(struct commit_ctx *ctx)
{
	static const char *const names[] = { "", "gone", "saved", "plan" };

	for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++)
		if (!has_file(ctx->fd.top, ctx->at.number, names[n]))
			return work_dir_refuse_missing(ctx, names[n]);
	return -ENOENT;
}

int work_dir_read_plan(struct commit_ctx *ctx)
{
	struct plan *p;
	int err;

	work_dir_close(ctx);
	err = work_dir_open(ctx);
	if (!err)
		err = work_dir_load_plan(ctx->fd.dir, &p, ctx->why);
	if (err)
		return err == -ENOENT ? name_missing(ctx) : err;
	plan_destroy(ctx->plan);
	ctx->plan = p;
	return left_load(ctx);
}

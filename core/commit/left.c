/* SPDX-License-Identifier: MIT */
/*
 * The list is a table by line, because a phase that is done again finds the
 * same again.  The table keeps the order in which lines were added.
 */
#include "left.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "core/lib/io.h"
#include "core/lib/owner.h"
#include "locate.h"

#define LEFT_TMP "left.tmp"
/* The file is text from the store; more of it is not believed [S1]. */
#define LEFT_MAX_BYTES (1U << 30)

struct left_line {
	UT_hash_handle hh;
	char text[]; /* NUL-terminated */
};

/* A line of the file is a line for people: no byte of a name ends it. */
static char printable(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
}

static int add_text(struct commit_left *l, const char *text, size_t len)
{
	struct left_line *line = calloc(1, sizeof(*line) + len + 1);
	struct left_line *old = NULL;

	if (!line)
		return -ENOMEM;
	for (size_t n = 0; n < len; n++)
		line->text[n] = printable(text[n]);
	HASH_FIND(hh, l->lines, line->text, len, old);
	if (old) {
		free(line);
		return 0;
	}
	HASH_ADD(hh, l->lines, text[0], len, line);
	if (!line->hh.tbl) {
		free(line);
		return -ENOMEM;
	}
	l->is_changed = true;
	return 0;
}

int left_add_line(struct commit_ctx *ctx, const char *line)
{
	return add_text(&ctx->left, line, strlen(line));
}

static int add_at(struct commit_ctx *ctx, const char *path,
		  const char *sentence)
{
	struct bytes b = { 0 };
	int err;

	bytes_put(&b, path[0] ? path : ".", path[0] ? strlen(path) : 1);
	bytes_put(&b, ": ", 2);
	bytes_put(&b, sentence, strlen(sentence));
	err = b.failed ? -ENOMEM :
			 add_text(&ctx->left, (const char *)b.buf, b.len_bytes);
	bytes_fini(&b);
	return err;
}

int left_add(struct commit_ctx *ctx, uint32_t object, const char *sentence)
{
	char *path = NULL;
	int err = plan_path(ctx->plan, object, ctx->at.to, &path);

	if (err == -ENOENT)
		err = plan_path(ctx->plan, object, plan_other(ctx->at.to),
				&path);
	/* It has no name that the plan knows. */
	if (err == -ENOENT)
		return add_at(ctx, "(a name that is not known)", sentence);
	if (!err)
		err = add_at(ctx, path, sentence);
	free(path);
	return err;
}

int left_add_name(struct commit_ctx *ctx, const struct plan_name *n,
		  enum plan_side side, const char *sentence)
{
	char *path = NULL;
	int err = plan_name_path(ctx->plan, n, side, &path);

	if (err == -ENOENT)
		return add_at(ctx, n->name, sentence);
	if (!err)
		err = add_at(ctx, path, sentence);
	free(path);
	return err;
}

int left_locate(struct commit_ctx *ctx, uint32_t object, int *fd)
{
	int err = locate_object(ctx, object, fd);

	if (err == -ENOENT && ctx->plan->objects[object]->ino != 0) {
		err = left_add(ctx, object,
			       "others have removed or replaced it");
		return err ? err : 1;
	}
	return err ? locate_fail(ctx, object, err) : 0;
}

bool left_is_empty(const struct commit_ctx *ctx)
{
	return ctx->left.lines == NULL;
}

void left_iterate(const struct commit_ctx *ctx,
		  void (*fn)(void *arg, const char *line), void *arg)
{
	const struct left_line *line = ctx->left.lines;

	for (; line; line = line->hh.next)
		fn(arg, line->text);
}

static int read_all(int fd, char **out, size_t *len)
{
	struct stat st;
	char *buf;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)LEFT_MAX_BYTES)
		return -EUCLEAN;
	buf = malloc((size_t)st.st_size + 1);
	if (!buf)
		return -ENOMEM;
	err = io_pread_all(fd, buf, (size_t)st.st_size, 0);
	if (err) {
		free(buf);
		return err;
	}
	*out = buf;
	*len = (size_t)st.st_size;
	return 0;
}

static int add_lines(struct commit_left *l, const char *buf, size_t len)
{
	int err = 0;

	while (!err && len > 0) {
		const char *end = memchr(buf, '\n', len);
		size_t n = end ? (size_t)(end - buf) : len;

		if (n > 0)
			err = add_text(l, buf, n);
		n += end != NULL;
		buf += n;
		len -= n;
	}
	return err;
}

int left_load(struct commit_ctx *ctx)
{
	char *buf = NULL;
	size_t len = 0;
	int err;
	int fd;

	left_fini(ctx);
	fd = openat(ctx->fd.dir, LEFT_FILE,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = read_all(fd, &buf, &len);
	close(fd);
	if (!err)
		err = add_lines(&ctx->left, buf, len);
	free(buf);
	ctx->left.is_changed = false;
	return err;
}

static int write_all(int dirfd, const struct bytes *b)
{
	int fd;
	int err = owner_create_file(dirfd, LEFT_TMP, O_WRONLY, &fd);

	if (err)
		return err;
	err = io_pwrite_all("commit.left", fd, b->buf, b->len_bytes, 0);
	if (!err)
		err = io_fsync("commit.left", fd);
	close(fd);
	if (!err && renameat(dirfd, LEFT_TMP, dirfd, LEFT_FILE) < 0)
		err = -errno;
	if (err) {
		(void)unlinkat(dirfd, LEFT_TMP, 0);
		return err;
	}
	return io_fsync("commit.dir", dirfd);
}

static void put_line(void *arg, const char *line)
{
	bytes_put(arg, line, strlen(line));
	bytes_put(arg, "\n", 1);
}

int left_save(struct commit_ctx *ctx)
{
	struct bytes b = { 0 };
	int err;

	if (!ctx->left.is_changed)
		return 0;
	left_iterate(ctx, put_line, &b);
	err = b.failed ? -ENOMEM : write_all(ctx->fd.dir, &b);
	bytes_fini(&b);
	if (!err)
		ctx->left.is_changed = false;
	return err;
}

int left_forget(struct commit_ctx *ctx)
{
	if (left_is_empty(ctx))
		return 0;
	left_fini(ctx);
	if (unlinkat(ctx->fd.dir, LEFT_FILE, 0) < 0 && errno != ENOENT)
		return -errno;
	return io_fsync("commit.dir", ctx->fd.dir);
}

void left_fini(struct commit_ctx *ctx)
{
	struct left_line *line = ctx->left.lines;

	HASH_CLEAR(hh, ctx->left.lines);
	while (line) {
		struct left_line *next = line->hh.next;

		free(line);
		line = next;
	}
	ctx->left = (struct commit_left){ 0 };
}

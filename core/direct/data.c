/* SPDX-License-Identifier: MIT */
/*
 * Reads use mapped windows (core/base/read.c), except for the first part of
 * an open file: that is read by the handle's descriptor, so no other one has
 * to be opened.  Writes use pwrite.  Both meet in the page cache.
 */
#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "change_cookie.h"
#include "core/lib/io.h"
#include "core/view/run_list.h"
#include "inode.h"

#define BY_HANDLE_BYTES (128U << 10)
#define COPY_BYTES (128U << 10)

static int file_get(struct direct *d, mapfs_ino ino, struct inode **out)
{
	int err = direct_get(d, ino, out);

	if (err || S_ISREG((*out)->type))
		return err;
	err = S_ISDIR((*out)->type) ? -EISDIR : -EINVAL;
	direct_put(d, *out);
	return err;
}

struct read_ctx {
	void *buf;
	size_t len;
	uint64_t off;
};

static ssize_t read_by_fd(struct direct *d, struct inode *i, uint64_t fh,
			  const struct read_ctx *r)
{
	struct direct_fd f;
	ssize_t n = direct_fd_get(d, i, fh, DIRECT_READ, &f);

	if (n)
		return n;
	n = io_pread_some(f.fd, r->buf, r->len, r->off);
	direct_fd_put(d, &f);
	return n;
}

ssize_t direct_read(struct mapfs_view *v, struct mapfs_file file, void *buf,
		    size_t len, uint64_t off)
{
	const struct read_ctx r = { .buf = buf, .len = len, .off = off };
	struct direct *d = direct_of(v);
	struct inode *i;
	ssize_t n = file_get(d, file.ino, &i);

	if (n)
		return n;
	if (file.fh && off <= BY_HANDLE_BYTES && len <= BY_HANDLE_BYTES - off)
		n = read_by_fd(d, i, file.fh, &r);
	else
		n = base_read(d->base, i, buf, len, off);
	/* The file may have been opened before its mode forbade it. */
	if (n < 0 && file.fh)
		n = read_by_fd(d, i, file.fh, &r);
	direct_put(d, i);
	return n;
}

/*
 * For an append-only file.  Only an append has the offset of the end; a dirty
 * page of a shared mapping has another one, and would be written at the end
 * all the same.  No file system lets a mapping write to such a file.
 */
static int check_append(int fd, uint64_t off)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return (uint64_t)st.st_size == off ? 0 : -EPERM;
}

ssize_t direct_write(struct mapfs_view *v, struct mapfs_file file,
		     const struct mapfs_write *w)
{
	struct direct *d = direct_of(v);
	struct direct_fd f;
	struct inode *i;
	bool was_current;
	ssize_t n = file_get(d, file.ino, &i);

	if (n)
		return n;
	n = direct_fd_get(d, i, file.fh, DIRECT_WRITE, &f);
	if (n)
		goto put_inode;
	was_current = change_cookie_begin(i, f.fd);
	if (f.appends)
		n = check_append(f.fd, w->off);
	if (!n)
		n = io_pwrite_some("direct.write", f.fd, w->buf, w->len,
				   w->off);
	change_cookie_end(i, f.fd, was_current);
	direct_fd_put(d, &f);
put_inode:
	direct_put(d, i);
	return n;
}

/* A descriptor to sync: the handle's, or one opened as the mode allows. */
static int syncable_get(struct direct *d, struct inode *i, uint64_t fh,
			struct direct_fd *out)
{
	int err = direct_fd_get(d, i, fh, fh ? DIRECT_PATH : DIRECT_READ, out);

	if (err == -EACCES)
		err = direct_fd_get(d, i, 0, DIRECT_WRITE, out);
	return err;
}

int direct_fsync(struct mapfs_view *v, struct mapfs_file file, bool data_only)
{
	struct direct *d = direct_of(v);
	struct direct_fd f;
	struct inode *i;
	int err = direct_get(d, file.ino, &i);

	if (err)
		return err;
	if (i->is_foreign)
		goto put_inode;
	err = syncable_get(d, i, file.fh, &f);
	if (err)
		goto put_inode;
	err = data_only ? io_fdatasync("direct.fdatasync", f.fd) :
			  io_fsync("direct.fsync", f.fd);
	direct_fd_put(d, &f);
put_inode:
	direct_put(d, i);
	return err;
}

int direct_fallocate(struct mapfs_view *v, struct mapfs_file file, int mode,
		     uint64_t off, uint64_t len)
{
	struct direct *d = direct_of(v);
	struct direct_fd f;
	struct inode *i;
	bool was_current;
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
		     FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	err = file_get(d, file.ino, &i);
	if (err)
		return err;
	err = direct_fd_get(d, i, file.fh, DIRECT_WRITE, &f);
	if (err)
		goto put_inode;
	was_current = change_cookie_begin(i, f.fd);
	do
		err = fallocate(f.fd, mode, (off_t)off, (off_t)len) < 0 ?
			      -errno :
			      0;
	while (err == -EINTR);
	change_cookie_end(i, f.fd, was_current);
	direct_fd_put(d, &f);
put_inode:
	direct_put(d, i);
	return err;
}

int direct_lseek(struct mapfs_view *v, struct mapfs_file file, uint64_t off,
		 int whence, uint64_t *out)
{
	struct direct *d = direct_of(v);
	struct direct_fd f;
	struct inode *i;
	off_t at;
	int err;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	if (off > MAPFS_MAX_SIZE)
		return -ENXIO;
	err = file_get(d, file.ino, &i);
	if (err)
		return err;
	/* Seeking needs no permission: a handle of any access mode will do. */
	err = direct_fd_get(d, i, file.fh, file.fh ? DIRECT_PATH : DIRECT_READ,
			    &f);
	if (!err) {
		at = lseek(f.fd, (off_t)off, whence);
		err = at < 0 ? -errno : 0;
		direct_fd_put(d, &f);
	}
	direct_put(d, i);
	if (!err)
		*out = (uint64_t)at;
	return err;
}

static int seek_fd(void *arg, uint64_t off, int whence, uint64_t *out)
{
	const struct direct_fd *f = arg;
	off_t at = lseek(f->fd, (off_t)off, whence);

	if (at < 0)
		return -errno;
	*out = (uint64_t)at;
	return 0;
}

int direct_pages(struct mapfs_view *v, struct mapfs_file file,
		 const struct mapfs_range *range, mapfs_run_fn fn, void *arg)
{
	uint64_t end = range->off_bytes + range->len_bytes;
	struct direct *d = direct_of(v);
	struct run_list list = { 0 };
	struct direct_fd f;
	struct inode *i;
	uint64_t size = 0;
	int err = file_get(d, file.ino, &i);

	if (err)
		return err;
	err = direct_fd_get(d, i, file.fh, file.fh ? DIRECT_PATH : DIRECT_READ,
			    &f);
	if (!err) {
		const struct run_seek seek = { .fn = seek_fd, .arg = &f };

		err = seek_fd(&f, 0, SEEK_END, &size);
		if (!err)
			err = run_list_add_base(&list, range->off_bytes,
						end < size ? end : size, &seek);
		direct_fd_put(d, &f);
	}
	direct_put(d, i);
	if (!err)
		err = run_list_tell(&list, fn, arg);
	run_list_fini(&list);
	return err;
}

/* By a buffer, where the base cannot copy itself. */
static ssize_t copy_bytes(int in, uint64_t in_off, int out, uint64_t out_off,
			  size_t len)
{
	char *buf = malloc(COPY_BYTES);
	size_t done = 0;
	ssize_t n = 0;

	if (!buf)
		return -ENOMEM;
	while (done < len) {
		size_t want = len - done < COPY_BYTES ? len - done : COPY_BYTES;

		n = io_pread_some(in, buf, want, in_off + done);
		if (n > 0)
			n = io_pwrite_some("direct.copy", out, buf, (size_t)n,
					   out_off + done);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	free(buf);
	return done > 0 ? (ssize_t)done : n;
}

static ssize_t copy_fds(int in, uint64_t in_off, int out, uint64_t out_off,
			size_t len)
{
	size_t done = 0;

	/* The base may copy less than it was asked for in one call. */
	while (done < len) {
		off_t from = (off_t)(in_off + done);
		off_t to = (off_t)(out_off + done);
		ssize_t n = copy_file_range(in, &from, out, &to, len - done, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && done == 0 &&
		    (errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS ||
		     errno == EINVAL))
			return copy_bytes(in, in_off, out, out_off, len);
		if (n < 0)
			return done > 0 ? (ssize_t)done : -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static bool overlaps(const struct mapfs_copy_range *c)
{
	return c->from.ino == c->to.ino && c->from_off < c->to_off + c->len &&
	       c->to_off < c->from_off + c->len;
}

ssize_t direct_copy_range(struct mapfs_view *v,
			  const struct mapfs_copy_range *c)
{
	struct direct *d = direct_of(v);
	struct direct_fd from;
	struct direct_fd to;
	struct inode *src;
	struct inode *dst;
	bool was_current;
	ssize_t n;

	if (overlaps(c))
		return -EINVAL;
	n = file_get(d, c->from.ino, &src);
	if (n)
		return n;
	n = file_get(d, c->to.ino, &dst);
	if (n)
		goto put_src;
	n = direct_fd_get(d, src, c->from.fh, DIRECT_READ, &from);
	if (n)
		goto put_dst;
	n = direct_fd_get(d, dst, c->to.fh, DIRECT_WRITE, &to);
	if (n)
		goto put_from;
	was_current = change_cookie_begin(dst, to.fd);
	n = copy_fds(from.fd, c->from_off, to.fd, c->to_off, c->len);
	change_cookie_end(dst, to.fd, was_current);
	direct_fd_put(d, &to);
put_from:
	direct_fd_put(d, &from);
put_dst:
	direct_put(d, dst);
put_src:
	direct_put(d, src);
	return n;
}

ssize_t direct_readlink(struct mapfs_view *v, mapfs_ino ino, char *buf,
			size_t len)
{
	struct direct *d = direct_of(v);
	struct inode *i;
	ssize_t n = direct_get(d, ino, &i);

	if (n)
		return n;
	n = S_ISLNK(i->type) ? base_readlink(d->base, i, buf, len) : -EINVAL;
	direct_put(d, i);
	return n;
}

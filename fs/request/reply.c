/* SPDX-License-Identifier: MIT */
/*
 * Sending fails if the program was killed: the kernel then did not receive the
 * answer.  A lookup count or a handle in that answer is given back here.
 */
#include "reply.h"

#include "core/lib/lock.h"
#include "fs/mount/mount.h"
#include "node.h"

bool reply_is_ring(fuse_req_t req)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
	return fuse_req_is_uring(req);
#else
	return false;
#endif
}

void reply_err(fuse_req_t req, int err)
{
	lock_assert_none();
	fuse_reply_err(req, -err);
}

void reply_none(fuse_req_t req)
{
	lock_assert_none();
	fuse_reply_none(req);
}

void reply_entry(struct mount *m, fuse_req_t req, int err,
		 const struct mapfs_entry *e)
{
	struct fuse_entry_param param;
	mapfs_ino ino;

	if (err) {
		reply_err(req, err);
		return;
	}
	lock_assert_none();
	ino = e->attr.ino;
	node_fill_entry(m, e, &param);
	if (fuse_reply_entry(req, &param) < 0)
		mapfs_forget(m->view, ino, 1);
}

void reply_no_entry(struct mount *m, fuse_req_t req)
{
	struct fuse_entry_param param = {
		.entry_timeout = m->negative_timeout,
	};

	lock_assert_none();
	fuse_reply_entry(req, &param);
}

void reply_created(struct mount *m, fuse_req_t req, const struct mapfs_entry *e,
		   const struct fuse_file_info *fi)
{
	struct fuse_entry_param param;

	lock_assert_none();
	node_fill_entry(m, e, &param);
	if (fuse_reply_create(req, &param, fi) == 0)
		return;
	if (fi->fh)
		mapfs_release(m->view, fi->fh);
	mapfs_forget(m->view, e->attr.ino, 1);
}

void reply_opened(struct mount *m, fuse_req_t req,
		  const struct fuse_file_info *fi)
{
	lock_assert_none();
	if (fuse_reply_open(req, fi) < 0 && fi->fh)
		mapfs_release(m->view, fi->fh);
}

void reply_stat(fuse_req_t req, const struct stat *st, double timeout)
{
	lock_assert_none();
	fuse_reply_attr(req, st, timeout);
}

void reply_attr(struct mount *m, fuse_req_t req, int err,
		const struct mapfs_attr *attr)
{
	struct stat st;

	if (err) {
		reply_err(req, err);
		return;
	}
	node_fill_stat(m, attr, &st);
	reply_stat(req, &st, m->attr_timeout);
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
void reply_statx(struct mount *m, fuse_req_t req, struct statx *stx)
{
	lock_assert_none();
	fuse_reply_statx(req, 0, stx, m->attr_timeout);
}
#endif

void reply_statfs(fuse_req_t req, int err, const struct statvfs *st)
{
	if (err) {
		reply_err(req, err);
		return;
	}
	lock_assert_none();
	fuse_reply_statfs(req, st);
}

bool reply_entries(fuse_req_t req, const char *buf, size_t bytes)
{
	lock_assert_none();
	return fuse_reply_buf(req, buf, bytes) == 0;
}

void reply_bytes(fuse_req_t req, const char *buf, ssize_t n)
{
	if (n < 0) {
		reply_err(req, (int)n);
		return;
	}
	lock_assert_none();
	fuse_reply_buf(req, buf, (size_t)n);
}

void reply_written(fuse_req_t req, ssize_t n)
{
	if (n < 0) {
		reply_err(req, (int)n);
		return;
	}
	lock_assert_none();
	fuse_reply_write(req, (size_t)n);
}

void reply_size(fuse_req_t req, ssize_t n)
{
	if (n < 0) {
		reply_err(req, (int)n);
		return;
	}
	lock_assert_none();
	fuse_reply_xattr(req, (size_t)n);
}

void reply_lseek(fuse_req_t req, int err, uint64_t off)
{
	if (err) {
		reply_err(req, err);
		return;
	}
	lock_assert_none();
	fuse_reply_lseek(req, (off_t)off);
}

void reply_ioctl(fuse_req_t req, int err, const void *out, size_t bytes)
{
	if (err) {
		reply_err(req, err);
		return;
	}
	lock_assert_none();
	fuse_reply_ioctl(req, 0, out, bytes);
}

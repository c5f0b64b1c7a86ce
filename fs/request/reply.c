/* SPDX-License-Identifier: MIT */
/*
 * When sending fails the kernel never saw the answer (the requester was
 * killed): what the answer would have handed over is taken back here.
 */
#include "reply.h"

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
	fuse_reply_err(req, -err);
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

	fuse_reply_entry(req, &param);
}

void reply_created(struct mount *m, fuse_req_t req, const struct mapfs_entry *e,
		   const struct fuse_file_info *fi)
{
	struct fuse_entry_param param;

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
	if (fuse_reply_open(req, fi) < 0 && fi->fh)
		mapfs_release(m->view, fi->fh);
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
	fuse_reply_attr(req, &st, m->attr_timeout);
}

void reply_bytes(fuse_req_t req, const char *buf, ssize_t n)
{
	if (n < 0)
		reply_err(req, (int)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

void reply_written(fuse_req_t req, ssize_t n)
{
	if (n < 0)
		reply_err(req, (int)n);
	else
		fuse_reply_write(req, (size_t)n);
}

void reply_size(fuse_req_t req, ssize_t n)
{
	if (n < 0)
		reply_err(req, (int)n);
	else
		fuse_reply_xattr(req, (size_t)n);
}

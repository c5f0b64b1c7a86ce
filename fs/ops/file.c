/* SPDX-License-Identifier: MIT */
/*
 * Open files and their data.
 *
 * A stateless view keeps nothing for an open file: the first OPEN, CREATE and
 * FLUSH are answered with ENOSYS, after which the kernel does not send them
 * again, and sends MKNOD in place of CREATE.  Write mode keeps a handle,
 * because the base may not permit a second open.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>

#include "fs/cache/seek.h"
#include "fs/mount/mount.h"
#include "fs/request/node.h"
#include "fs/request/reply.h"
#include "setid.h"

/* One request copies at most this much, because it occupies a thread. */
#define COPY_BYTES (128U << 20)

/* With O_DIRECT the base would refuse the buffers of the daemon. */
static int base_flags(int flags)
{
	return flags & ~O_DIRECT;
}

/*
 * Another program has changed the base's file since the kernel last saw it, so
 * the kernel must fetch the attributes again (close-to-open).  This invalidates
 * the attributes only: no page lock is taken, so this thread cannot wait for
 * itself.  The pages are dropped because the reply has no keep_cache.
 */
static void forget_attributes(struct mount *m, fuse_ino_t node)
{
	fuse_lowlevel_notify_inval_inode(m->se, node, -1, 0);
}

void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_OPEN);
	bool changed = false;
	int err;

	if (m->is_stateless) {
		reply_err(req, -ENOSYS);
		return;
	}
	err = mapfs_open(m->view, node_ino(m, node), base_flags(fi->flags),
			 &fi->fh, &changed);
	if (err) {
		reply_err(req, err);
		return;
	}
	/* Without the page cache the kernel also refuses shared mappings. */
	if (mapfs_only_appends(m->view, fi->fh))
		fi->direct_io = 1;
	if (changed)
		forget_attributes(m, node);
	else if (!mapfs_read_counts(m->view, fi->fh))
		fi->keep_cache = 1;
	reply_opened(m, req, fi);
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_CREATE);
	struct mapfs_cred cred = node_cred(req);
	const struct mapfs_new new = {
		.cred = &cred,
		.dir = node_ino(m, parent),
		.name = name,
		.mode = mode,
	};
	struct mapfs_entry e;
	int err;

	if (m->is_stateless) {
		reply_err(req, -ENOSYS);
		return;
	}
	err = mapfs_create(m->view, &new, base_flags(fi->flags), &e, &fi->fh);
	if (!err)
		err = mount_sync_names(m, node_ino(m, parent));
	else
		fi->fh = 0;
	if (!err) {
		reply_created(m, req, &e, fi);
		return;
	}
	if (fi->fh) {
		mapfs_release(m->view, fi->fh);
		mapfs_forget(m->view, e.attr.ino, 1);
	}
	reply_err(req, err);
}

void op_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode,
		struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_TMPFILE);
	struct mapfs_cred cred = node_cred(req);
	const struct mapfs_new new = {
		.cred = &cred,
		.dir = node_ino(m, parent),
		.mode = mode,
	};
	struct mapfs_entry e;
	bool changed;
	int err;

	err = mapfs_tmpfile(m->view, &new, &e);
	if (err) {
		reply_err(req, err);
		return;
	}
	if (!m->is_stateless) {
		err = mapfs_open(m->view, e.attr.ino,
				 base_flags(fi->flags) & ~(O_TMPFILE | O_EXCL),
				 &fi->fh, &changed);
		if (err) {
			mapfs_forget(m->view, e.attr.ino, 1);
			reply_err(req, err);
			return;
		}
	}
	reply_created(m, req, &e, fi);
}

/* All written bytes are in the view before a file is closed. */
void op_flush(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	mount_of(req, MAPFS_OP_FLUSH);
	reply_err(req, -ENOSYS);
}

void op_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_RELEASE);

	if (fi->fh)
		mapfs_release(m->view, fi->fh);
	reply_err(req, 0);
}

void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
	     struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_READ);
	char *buf = mount_buffer(m, req, size);

	if (!buf) {
		reply_err(req, -ENOMEM);
		return;
	}
	reply_bytes(req, buf,
		    mapfs_read(m->view, node_file(m, node, fi->fh), buf, size,
			       (uint64_t)off));
}

static enum setid_caller setid_of_write(const struct fuse_file_info *fi)
{
#ifdef MAPFS_HAVE_KILL_SUIDGID
	if (fi->kill_suidgid)
		return SETID_CALLER_LACKS_IT;
#else
	/* Without HANDLE_KILLPRIV_V2 the kernel clears the bits itself. */
	(void)fi;
#endif
	return SETID_CALLER_HAS_IT;
}

void op_write(fuse_req_t req, fuse_ino_t node, const char *buf, size_t size,
	      off_t off, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_WRITE);
	const struct mapfs_write write = {
		.buf = buf,
		.len = size,
		.off = (uint64_t)off,
		.flags = fi->writepage ? MAPFS_WRITE_CACHED : 0,
	};
	struct setid setid;
	ssize_t n = setid_begin(&setid, req, node, fi->fh, setid_of_write(fi));

	if (!n) {
		n = mapfs_write(m->view, node_file(m, node, fi->fh), &write);
		if (setid_end(&setid))
			n = -EIO;
	}
	reply_written(req, n);
}

void op_fsync(fuse_req_t req, fuse_ino_t node, int datasync,
	      struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_FSYNC);

	reply_err(req, mapfs_fsync(m->view, node_file(m, node, fi->fh),
				   datasync != 0));
}

void op_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t off,
		  off_t len, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_FALLOCATE);
	struct setid setid;
	int err = setid_begin(&setid, req, node, fi->fh, SETID_CALLER_UNKNOWN);

	if (!err) {
		err = mapfs_fallocate(m->view, node_file(m, node, fi->fh), mode,
				      (uint64_t)off, (uint64_t)len);
		if (setid_end(&setid))
			err = -EIO;
	}
	reply_err(req, err);
}

void op_lseek(fuse_req_t req, fuse_ino_t node, off_t off, int whence,
	      struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_LSEEK);
	const struct seek_request ask = {
		.req = req,
		.node = node,
		.fh = fi->fh,
		.off = (uint64_t)off,
		.whence = whence,
	};
	uint64_t found = 0;
	int err;

	if (m->seeks) {
		seek_queue_add(m->seeks, &ask);
		return;
	}
	err = mapfs_lseek(m->view, node_file(m, node, fi->fh), (uint64_t)off,
			  whence, &found);
	reply_lseek(req, err, found);
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t in_off,
			struct fuse_file_info *in_fi, fuse_ino_t out,
			off_t out_off, struct fuse_file_info *out_fi,
			size_t len, int flags)
{
	struct mount *m = mount_of(req, MAPFS_OP_COPY_FILE_RANGE);
	const struct mapfs_copy_range copy = {
		.from = node_file(m, in, in_fi->fh),
		.from_off = (uint64_t)in_off,
		.to = node_file(m, out, out_fi->fh),
		.to_off = (uint64_t)out_off,
		.len = len < COPY_BYTES ? len : COPY_BYTES,
	};
	struct setid setid;
	ssize_t n;

	if (flags) {
		reply_err(req, -EINVAL);
		return;
	}
	n = setid_begin(&setid, req, out, out_fi->fh, SETID_CALLER_UNKNOWN);
	if (!n) {
		n = mapfs_copy_range(m->view, &copy);
		if (setid_end(&setid))
			n = -EIO;
	}
	reply_written(req, n);
}

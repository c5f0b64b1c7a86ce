/* SPDX-License-Identifier: MIT */
/*
 * Directories.
 *
 * In copy mode OPENDIR is answered with ENOSYS: the kernel then caches listings
 * without limit and sends no OPENDIR again.  In the other modes it would keep
 * a cached listing as long as the mtime of the directory is the same, and two
 * changes within one tick of the clock have the same mtime; so in those modes
 * the kernel does not cache listings.
 *
 * READDIRPLUS raises the lookup count of each inode that it lists.  The inodes
 * are recorded, so that the counts can be lowered if the reply fails.
 */
#include "dir.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/mount/mount.h"
#include "fs/request/node.h"
#include "fs/request/reply.h"

struct listing {
	struct mount *m;
	fuse_req_t req;
	char *buf;
	size_t used_bytes;
	size_t room_bytes;
	mapfs_ino *counted; /* inodes to forget if the reply fails */
	size_t counted_n;
};

/* The size of the smallest entry of READDIRPLUS: limits their number. */
#define DIRENTPLUS_MIN_BYTES 152

void op_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_OPENDIR);

	int err = mapfs_opendir(m->view, node_ino(m, node), &fi->fh);

	if (err)
		reply_err(req, err);
	else
		reply_opened(m, req, fi);
}

void op_releasedir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_RELEASEDIR);

	if (fi->fh)
		mapfs_release(m->view, fi->fh);
	reply_err(req, 0);
}

static int list_name(void *arg, const struct mapfs_dirent *d)
{
	struct listing *l = arg;
	size_t left = l->room_bytes - l->used_bytes;
	struct stat st = {
		.st_ino = d->ino,
		.st_mode = d->type,
	};
	size_t need;

	need = fuse_add_direntry(l->req, l->buf + l->used_bytes, left, d->name,
				 &st, (off_t)d->cookie);
	if (need > left)
		return 1;
	l->used_bytes += need;
	return 0;
}

static int list_entry(void *arg, const struct mapfs_dirent *d)
{
	struct listing *l = arg;
	size_t left = l->room_bytes - l->used_bytes;
	struct fuse_entry_param param = {
		.attr.st_ino = d->ino,
		.attr.st_mode = d->type,
	};
	size_t need;

	if (d->entry)
		node_fill_entry(l->m, d->entry, &param);
	need = fuse_add_direntry_plus(l->req, l->buf + l->used_bytes, left,
				      d->name, &param, (off_t)d->cookie);
	if (need > left)
		return 1;
	l->used_bytes += need;
	if (d->entry)
		l->counted[l->counted_n++] = d->entry->attr.ino;
	return 0;
}

static void listing_uncount(struct listing *l)
{
	for (size_t i = 0; i < l->counted_n; i++)
		mapfs_forget(l->m->view, l->counted[i], 1);
	l->counted_n = 0;
}

/*
 * An error behind the first entry is not reported: the entries read before it
 * are right, and the kernel asks again for those behind them.
 */
static void listing_reply(struct listing *l, int err)
{
	if (err && l->used_bytes == 0)
		reply_err(l->req, err);
	else if (!reply_entries(l->req, l->buf, l->used_bytes))
		listing_uncount(l);
}

/* Reads the names behind `off` into the buffer. */
static int list(struct listing *l, fuse_ino_t node, off_t off,
		const struct fuse_file_info *fi, mapfs_dirent_fn fn)
{
	const struct mapfs_readdir readdir = {
		.cookie = (uint64_t)off,
		.plus = l->counted != NULL,
		.fn = fn,
		.arg = l,
	};

	if (fi->fh)
		return mapfs_readdir_open(l->m->view, fi->fh, &readdir);
	return mapfs_readdir(l->m->view, node_ino(l->m, node), &readdir);
}

void op_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_READDIR);
	struct listing l = {
		.m = m,
		.req = req,
		.buf = mount_buffer(m, req, size),
		.room_bytes = size,
	};

	if (!l.buf) {
		reply_err(req, -ENOMEM);
		return;
	}
	listing_reply(&l, list(&l, node, off, fi, list_name));
}

void op_readdirplus(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_READDIRPLUS);
	struct listing l = {
		.m = m,
		.req = req,
		.buf = mount_buffer(m, req, size),
		.room_bytes = size,
	};

	l.counted =
		malloc((size / DIRENTPLUS_MIN_BYTES + 1) * sizeof(*l.counted));
	if (!l.buf || !l.counted) {
		free(l.counted);
		reply_err(req, -ENOMEM);
		return;
	}
	listing_reply(&l, list(&l, node, off, fi, list_entry));
	free(l.counted);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t node, int datasync,
		 struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_FSYNCDIR);

	reply_err(req,
		  mapfs_fsync(m->view, node_file(m, node, 0), datasync != 0));
}

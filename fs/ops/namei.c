/* SPDX-License-Identifier: MIT */
/*
 * Names: lookup, create, link, rename and remove; and FORGET, which lowers the
 * lookup count that LOOKUP raised.
 */
#include "namei.h"

#include <errno.h>
#include <limits.h>
#include <linux/fs.h>

#include "core/lib/path.h"
#include "fs/mount/mount.h"
#include "fs/request/node.h"
#include "fs/request/reply.h"
#include "lookup_queue.h"

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_of(req, MAPFS_OP_LOOKUP);
	struct mapfs_entry e;
	int err;

	err = mapfs_lookup(m->view, node_ino(m, parent), name, &e);
	if (err == -EAGAIN && path_is_dot(name)) {
		lookup_queue_add(m->lookups, req, node_ino(m, parent), name);
		return;
	}
	if (err == -ENOENT && m->negative_timeout > 0)
		reply_no_entry(m, req);
	else
		reply_entry(m, req, err, &e);
}

void op_forget(fuse_req_t req, fuse_ino_t node, uint64_t nlookup)
{
	struct mount *m = mount_of(req, MAPFS_OP_FORGET);

	if (node != FUSE_ROOT_ID)
		mapfs_forget(m->view, node_ino(m, node), nlookup);
	reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count,
		     struct fuse_forget_data *forgets)
{
	struct mount *m = mount_of(req, MAPFS_OP_FORGET);

	for (size_t i = 0; i < count; i++) {
		if (forgets[i].ino == FUSE_ROOT_ID)
			continue;
		mapfs_forget(m->view, node_ino(m, forgets[i].ino),
			     forgets[i].nlookup);
	}
	reply_none(req);
}

void op_readlink(fuse_req_t req, fuse_ino_t node)
{
	struct mount *m = mount_of(req, MAPFS_OP_READLINK);
	char target[PATH_MAX];
	ssize_t n;

	n = mapfs_readlink(m->view, node_ino(m, node), target,
			   sizeof(target) - 1);
	reply_bytes(req, target, n);
}

/*
 * The kernel gets the entry only if its name is as durable as the options of
 * the mount demand.
 */
static int entry_sync(struct mount *m, fuse_ino_t parent,
		      const struct mapfs_entry *e)
{
	int err = mount_sync_names(m, node_ino(m, parent));

	if (err)
		mapfs_forget(m->view, e->attr.ino, 1);
	return err;
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t rdev)
{
	struct mount *m = mount_of(req, MAPFS_OP_MKNOD);
	struct mapfs_cred cred = node_cred(req);
	const struct mapfs_new new = {
		.cred = &cred,
		.dir = node_ino(m, parent),
		.name = name,
		.mode = mode,
		.rdev = rdev,
	};
	struct mapfs_entry e;
	int err;

	err = mapfs_mknod(m->view, &new, &e);
	if (!err)
		err = entry_sync(m, parent, &e);
	reply_entry(m, req, err, &e);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct mount *m = mount_of(req, MAPFS_OP_MKDIR);
	struct mapfs_cred cred = node_cred(req);
	const struct mapfs_new new = {
		.cred = &cred,
		.dir = node_ino(m, parent),
		.name = name,
		.mode = mode,
	};
	struct mapfs_entry e;
	int err;

	err = mapfs_mkdir(m->view, &new, &e);
	if (!err)
		err = entry_sync(m, parent, &e);
	reply_entry(m, req, err, &e);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		const char *name)
{
	struct mount *m = mount_of(req, MAPFS_OP_SYMLINK);
	struct mapfs_cred cred = node_cred(req);
	const struct mapfs_new new = {
		.cred = &cred,
		.dir = node_ino(m, parent),
		.name = name,
	};
	struct mapfs_entry e;
	int err;

	err = mapfs_symlink(m->view, &new, target, &e);
	if (!err)
		err = entry_sync(m, parent, &e);
	reply_entry(m, req, err, &e);
}

void op_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t newparent,
	     const char *newname)
{
	struct mount *m = mount_of(req, MAPFS_OP_LINK);
	struct mapfs_entry e;
	int err;

	err = mapfs_link(m->view, node_ino(m, node), node_ino(m, newparent),
			 newname, &e);
	if (!err)
		err = entry_sync(m, newparent, &e);
	reply_entry(m, req, err, &e);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_of(req, MAPFS_OP_UNLINK);

	int err = mapfs_unlink(m->view, node_ino(m, parent), name);

	if (!err)
		err = mount_sync_names(m, node_ino(m, parent));
	reply_err(req, err);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_of(req, MAPFS_OP_RMDIR);

	int err = mapfs_rmdir(m->view, node_ino(m, parent), name);

	if (!err)
		err = mount_sync_names(m, node_ino(m, parent));
	reply_err(req, err);
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t newparent, const char *newname, unsigned int flags)
{
	struct mount *m = mount_of(req, MAPFS_OP_RENAME);
	struct mapfs_cred cred = node_cred(req);
	const struct mapfs_rename rename = {
		.dir = node_ino(m, parent),
		.name = name,
		.newdir = node_ino(m, newparent),
		.newname = newname,
		.flags = flags & ~(unsigned int)RENAME_WHITEOUT,
	};
	int err;

	/*
	 * The kernel forgets the old name after the reply, and looks up the
	 * whiteout when it needs it.
	 */
	if (flags & RENAME_WHITEOUT)
		err = mapfs_rename_whiteout(m->view, &cred, &rename);
	else
		err = mapfs_rename(m->view, &rename);
	if (!err)
		err = mount_sync_names(m, rename.dir);
	if (!err && rename.newdir != rename.dir)
		err = mount_sync_names(m, rename.newdir);
	reply_err(req, err);
}

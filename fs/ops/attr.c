/* SPDX-License-Identifier: MIT */
/*
 * The attributes of one object, and those of the file system.
 */
#include "attr.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fs/cache/invalidate.h"
#include "fs/mount/mount.h"
#include "fs/request/node.h"
#include "fs/request/reply.h"
#include "setid.h"

static uint64_t handle_of(const struct fuse_file_info *fi)
{
	return fi ? fi->fh : 0;
}

void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_GETATTR);
	struct mapfs_attr attr;
	int err;

	err = mapfs_getattr(m->view, node_file(m, node, handle_of(fi)), &attr);
	reply_attr(m, req, err, &attr);
}

/*
 * For "now" the kernel sets the bit of the time and the bit of "now"; the core
 * takes one of the two.
 */
static unsigned int set_of_fuse(unsigned int valid)
{
	unsigned int set = 0;

	if (valid & FUSE_SET_ATTR_MODE)
		set |= MAPFS_SET_MODE;
	if (valid & FUSE_SET_ATTR_UID)
		set |= MAPFS_SET_UID;
	if (valid & FUSE_SET_ATTR_GID)
		set |= MAPFS_SET_GID;
	if (valid & FUSE_SET_ATTR_SIZE)
		set |= MAPFS_SET_SIZE;
	if (valid & FUSE_SET_ATTR_ATIME_NOW)
		set |= MAPFS_SET_ATIME_NOW;
	else if (valid & FUSE_SET_ATTR_ATIME)
		set |= MAPFS_SET_ATIME;
	if (valid & FUSE_SET_ATTR_MTIME_NOW)
		set |= MAPFS_SET_MTIME_NOW;
	else if (valid & FUSE_SET_ATTR_MTIME)
		set |= MAPFS_SET_MTIME;
	if (valid & FUSE_SET_ATTR_CTIME)
		set |= MAPFS_SET_CTIME;
	if (valid & (FUSE_SET_ATTR_KILL_SUID | FUSE_SET_ATTR_KILL_SGID))
		set |= MAPFS_SET_KILL_PRIV;
	return set;
}

/*
 * A change of size or owner clears the set-id bits, unless the user may keep
 * them.  This decides about the set-gid bit of a file that its group may not
 * execute, for which the rule differs.  The answer to SETATTR tells the kernel
 * which bits are left.
 */
static unsigned int group_bit_of_set(fuse_req_t req, struct mount *m,
				     fuse_ino_t node, unsigned int set)
{
	struct mapfs_attr attr;

	if (!(set & (MAPFS_SET_KILL_PRIV | MAPFS_SET_UID | MAPFS_SET_GID)) ||
	    mapfs_peek_attr(m->view, node_file(m, node, 0), &attr) ||
	    (attr.mode & (S_ISGID | S_IXGRP)) != S_ISGID ||
	    setid_may_keep_group_bit(req, &attr))
		return 0;
	return MAPFS_SET_KILL_SGID;
}

/*
 * With its writeback cache the kernel may still write back the times of a
 * regular file that a rollback has removed.  No program waits for the answer,
 * but close(2) and syncfs(2) would return an error as EIO.  A utimensat(2) on
 * such a file sends the same request, and therefore succeeds, too.
 */
static bool is_late_time(const struct mount *m, unsigned int valid)
{
	return m->has_writeback &&
	       valid == (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_CTIME);
}

static void reply_gone(fuse_req_t req, mapfs_ino ino)
{
	const struct stat st = { .st_ino = ino, .st_mode = S_IFREG };

	reply_stat(req, &st, 0);
}

/*
 * Mode and owner belong to the file, of which several windows may be parts: the
 * kernel has to ask again for those of the others.
 */
static void tell_other_windows(struct mount *m, mapfs_ino ino, unsigned int set)
{
	mapfs_ino *inos;
	size_t count;

	if (!m->has_windows ||
	    !(set & (MAPFS_SET_MODE | MAPFS_SET_UID | MAPFS_SET_GID)) ||
	    mapfs_known_files(m->view, &inos, &count))
		return;
	for (size_t i = 0; i < count; i++)
		if (inos[i] != ino)
			fuse_lowlevel_notify_inval_inode(
				m->se, node_of_ino(m, inos[i]), -1, 0);
	free(inos);
}

void op_setattr(fuse_req_t req, fuse_ino_t node, struct stat *st, int valid,
		struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_SETATTR);
	struct mapfs_setattr set = {
		.valid = set_of_fuse((unsigned int)valid),
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size_bytes = (uint64_t)st->st_size,
		.atime = st->st_atim,
		.mtime = st->st_mtim,
		.ctime = st->st_ctim,
	};
	struct mapfs_attr attr;
	int err;

	set.valid |= group_bit_of_set(req, m, node, set.valid);
	if (kernel_refresh_is_correction(m, req))
		err = kernel_refresh_answer_correction(m, node_ino(m, node),
						       &set, &attr);
	else
		err = mapfs_setattr(m->view, node_file(m, node, handle_of(fi)),
				    &set, &attr);
	if (!err)
		err = mount_sync_inode(m, node_ino(m, node));
	if (err == -ESTALE && is_late_time(m, (unsigned int)valid))
		reply_gone(req, node_ino(m, node));
	else
		reply_attr(m, req, err, &attr);
	if (!err)
		tell_other_windows(m, node_ino(m, node), set.valid);
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
static struct statx_timestamp statx_time(struct timespec t)
{
	return (struct statx_timestamp){
		.tv_sec = t.tv_sec,
		.tv_nsec = (uint32_t)t.tv_nsec,
	};
}

/* The kernel sends STATX only for a program that wants the time of birth. */
void op_statx(fuse_req_t req, fuse_ino_t node, int flags, int mask,
	      struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req, MAPFS_OP_STATX);
	struct mapfs_attr a;
	struct statx stx;
	int err;

	err = mapfs_getattr(m->view, node_file(m, node, handle_of(fi)), &a);
	if (err) {
		reply_err(req, err);
		return;
	}
	stx = (struct statx){
		.stx_mask = STATX_BASIC_STATS,
		.stx_blksize = MAPFS_PAGE_SIZE,
		.stx_nlink = a.nlink,
		.stx_uid = a.uid,
		.stx_gid = a.gid,
		.stx_mode = (uint16_t)a.mode,
		.stx_ino = a.ino,
		.stx_size = a.size_bytes,
		.stx_blocks = node_blocks(m, &a),
		.stx_atime = statx_time(a.atime),
		.stx_mtime = statx_time(a.mtime),
		.stx_ctime = statx_time(a.ctime),
		.stx_rdev_major = major(a.rdev),
		.stx_rdev_minor = minor(a.rdev),
	};
	if (a.btime.tv_nsec >= 0) {
		stx.stx_mask |= STATX_BTIME;
		stx.stx_btime = statx_time(a.btime);
	}
	reply_statx(m, req, &stx);
}
#endif

void op_statfs(fuse_req_t req, fuse_ino_t node)
{
	struct mount *m = mount_of(req, MAPFS_OP_STATFS);
	struct statvfs st;

	reply_statfs(req, mapfs_statfs(m->view, &st), &st);
}

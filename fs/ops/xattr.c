/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes.  The kernel has checked that the user may access the
 * namespace of the name.  It leaves two things to the daemon: a list must not
 * contain trusted.* for a user who may not read those, and setting an ACL
 * clears the set-gid bit of a file if the user is not in its group.
 */
#include "xattr.h"

#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/mount/mount.h"
#include "fs/request/node.h"
#include "fs/request/reply.h"
#include "setid.h"

#define ACL_ACCESS "system.posix_acl_access"

void op_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
	struct mount *m = mount_of(req, MAPFS_OP_GETXATTR);
	mapfs_ino ino = node_ino(m, node);
	char *buf;

	if (!m->opt->xattr) {
		reply_err(req, -ENOSYS);
		return;
	}
	if (size == 0) {
		reply_size(req, mapfs_getxattr(m->view, ino, name, NULL, 0));
		return;
	}
	buf = mount_buffer(m, req, size);
	if (!buf)
		reply_err(req, -ENOMEM);
	else
		reply_bytes(req, buf,
			    mapfs_getxattr(m->view, ino, name, buf, size));
}

/* Removes the names of trusted.*; returns the bytes that are left. */
static ssize_t hide_trusted(char *names, ssize_t bytes)
{
	static const char trusted[] = "trusted.";
	char *end = names + bytes;
	char *to = names;
	char *from = names;

	while (from < end) {
		size_t n = strlen(from) + 1;

		if (strncmp(from, trusted, sizeof(trusted) - 1) != 0) {
			memmove(to, from, n);
			to += n;
		}
		from += n;
	}
	return to - names;
}

void op_listxattr(fuse_req_t req, fuse_ino_t node, size_t size)
{
	struct mount *m = mount_of(req, MAPFS_OP_LISTXATTR);
	char *names;
	ssize_t n;

	if (!m->opt->xattr) {
		reply_err(req, -ENOSYS);
		return;
	}
	names = mount_buffer(m, req, XATTR_LIST_MAX);
	if (!names) {
		reply_err(req, -ENOMEM);
		return;
	}
	n = mapfs_listxattr(m->view, node_ino(m, node), names, XATTR_LIST_MAX);
	if (n > 0 && fuse_req_ctx(req)->uid != 0)
		n = hide_trusted(names, n);
	if (size == 0)
		reply_size(req, n);
	else if (n > (ssize_t)size)
		reply_err(req, -ERANGE);
	else
		reply_bytes(req, names, n);
}

/* The kernel has checked this, too, but libfuse does not pass it on. */
static bool may_keep_sgid(struct mount *m, fuse_req_t req, mapfs_ino ino)
{
	struct mapfs_attr attr;

	if (mapfs_peek_attr(m->view, mapfs_file_of(ino), &attr))
		return false;
	return !(attr.mode & S_ISGID) || setid_may_keep_group_bit(req, &attr);
}

void op_setxattr(fuse_req_t req, fuse_ino_t node, const char *name,
		 const char *value, size_t size, int flags)
{
	struct mount *m = mount_of(req, MAPFS_OP_SETXATTR);
	mapfs_ino ino = node_ino(m, node);
	struct mapfs_setxattr set = {
		.name = name,
		.value = value,
		.len = size,
		.flags = flags,
	};
	int err;

	if (!m->opt->xattr) {
		reply_err(req, -ENOSYS);
		return;
	}
	set.kill_sgid = strcmp(name, ACL_ACCESS) == 0 &&
			!may_keep_sgid(m, req, ino);
	err = mapfs_setxattr(m->view, ino, &set);
	if (!err)
		err = mount_sync_inode(m, ino);
	reply_err(req, err);
}

void op_removexattr(fuse_req_t req, fuse_ino_t node, const char *name)
{
	struct mount *m = mount_of(req, MAPFS_OP_REMOVEXATTR);
	int err;

	if (!m->opt->xattr) {
		reply_err(req, -ENOSYS);
		return;
	}
	err = mapfs_removexattr(m->view, node_ino(m, node), name);
	if (!err)
		err = mount_sync_inode(m, node_ino(m, node));
	reply_err(req, err);
}

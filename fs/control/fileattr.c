/* SPDX-License-Identifier: MIT */
/*
 * Inode flags: chattr(1), lsattr(1), ioctl_iflags(2).
 *
 * Since Linux 5.13 the kernel sends these ioctls itself, after it has judged
 * whether the caller may do that; the argument then is no pointer of the
 * caller.  What an older kernel passes on unjudged is refused, for the daemon
 * cannot tell the caller's capabilities.  FS_IOC_GETVERSION changes nothing
 * and comes as the caller sent it.
 */
#include "fileattr.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>

#include "fs/mount/mount.h"
#include "fs/request/node.h"
#include "fs/request/reply.h"

/* Of a 32-bit caller, or in the kernel's own form. */
#define FLAGS_BYTES sizeof(uint32_t)

static bool is_judged(const struct fileattr_call *c)
{
	return !c->has_pointer;
}

static size_t value_bytes(enum mapfs_fileattr_kind what)
{
	return what == MAPFS_FILEATTR_FSXATTR ? sizeof(struct mapfs_fsxattr) :
						FLAGS_BYTES;
}

static void reply_get(struct mount *m, fuse_req_t req,
		      const struct fileattr_call *c,
		      enum mapfs_fileattr_kind what)
{
	const struct mapfs_file file = { .ino = c->ino, .fh = c->fh };
	union mapfs_fileattr a;
	int err = -EINVAL;

	if (c->out_bytes >= value_bytes(what))
		err = mapfs_get_fileattr(m->view, file, what, &a);
	reply_ioctl(req, err, &a, value_bytes(what));
}

static void reply_set(struct mount *m, fuse_req_t req,
		      const struct fileattr_call *c,
		      enum mapfs_fileattr_kind what)
{
	const struct mapfs_file file = { .ino = c->ino, .fh = c->fh };
	struct mapfs_cred cred = node_cred(req);
	union mapfs_fileattr a;
	int err = -EOPNOTSUPP;

	if (is_judged(c) && c->in_bytes == value_bytes(what)) {
		memcpy(&a, c->in, value_bytes(what));
		err = mapfs_set_fileattr(m->view, &cred, file, what, &a);
	}
	reply_ioctl(req, err, NULL, 0);
}

bool fileattr_ioctl(struct mount *m, fuse_req_t req,
		    const struct fileattr_call *c)
{
	switch (c->cmd) {
	case (unsigned int)FS_IOC_GETFLAGS:
		reply_get(m, req, c, MAPFS_FILEATTR_FLAGS);
		return true;
	case (unsigned int)FS_IOC_FSGETXATTR:
		reply_get(m, req, c, MAPFS_FILEATTR_FSXATTR);
		return true;
	case (unsigned int)FS_IOC_GETVERSION:
	case (unsigned int)FS_IOC32_GETVERSION:
		reply_get(m, req, c, MAPFS_FILEATTR_VERSION);
		return true;
	case (unsigned int)FS_IOC_SETFLAGS:
		reply_set(m, req, c, MAPFS_FILEATTR_FLAGS);
		return true;
	case (unsigned int)FS_IOC_FSSETXATTR:
		reply_set(m, req, c, MAPFS_FILEATTR_FSXATTR);
		return true;
	default:
		return false;
	}
}

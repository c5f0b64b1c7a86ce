/* SPDX-License-Identifier: MIT */
/*
 * Since Linux 5.13 the kernel sends these ioctls itself, after it has checked
 * whether the program may make them; their argument is then no pointer of the
 * program.  An older kernel passes them on without a check.  Changes are then
 * refused, because the daemon cannot tell the capabilities of the program.
 * FS_IOC_GETVERSION changes nothing, and is always passed on as the program
 * made it.
 */
#include "fileattr.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>

#include "fs/mount/mount.h"
#include "fs/request/node.h"
#include "fs/request/reply.h"

/* As a 32-bit program passes flags, and as the kernel does. */
#define FLAGS_BYTES sizeof(uint32_t)

static bool is_checked(const struct fileattr_call *c)
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

	if (is_checked(c) && c->in_bytes == value_bytes(what)) {
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

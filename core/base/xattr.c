/* SPDX-License-Identifier: MIT */
/*
 * fgetxattr(2) refuses an O_PATH descriptor, but getxattr(2) accepts the
 * descriptor's path in /proc.  That path stands for the object itself, be it a
 * symbolic link or a file that must not be opened.
 */
#include "xattr.h"

#include <errno.h>
#include <sys/xattr.h>

#include "core/lib/path.h"
#include "resolve.h"
#include "root.h"

ssize_t base_getxattr(struct base *b, struct inode *i, const char *name,
		      void *buf, size_t len)
{
	char path[PATH_OF_FD_BYTES];
	struct base_fd *f;
	ssize_t n;
	int err;

	if (base_is_none(b))
		return -ENODATA;
	err = base_hold(b, i, BASE_PATH, &f);
	if (err)
		return err;
	path_of_fd(base_fd_of(f), path);
	n = getxattr(path, name, buf, len);
	if (n < 0)
		n = -errno;
	base_put(b, f);
	return n;
}

ssize_t base_listxattr(struct base *b, struct inode *i, char *buf, size_t len)
{
	char path[PATH_OF_FD_BYTES];
	struct base_fd *f;
	ssize_t n;
	int err;

	if (base_is_none(b))
		return 0;
	err = base_hold(b, i, BASE_PATH, &f);
	if (err)
		return err;
	path_of_fd(base_fd_of(f), path);
	n = listxattr(path, buf, len);
	if (n < 0)
		n = -errno;
	base_put(b, f);
	return n;
}

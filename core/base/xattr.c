/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes of base objects.  An O_PATH descriptor refuses
 * fgetxattr(2); its name in /proc does not, and stands for the object
 * itself, whether that is a symbolic link or a file nobody may open.
 */
#include "base_priv.h"

#include <errno.h>
#include <sys/xattr.h>

#include "core/lib/path.h"

ssize_t base_getxattr(struct base *b, struct inode *i, const char *name,
		      void *buf, size_t len)
{
	char path[PATH_OF_FD_BYTES];
	struct base_fd *f;
	ssize_t n;
	int err = base_hold(b, i, BASE_PATH, &f);

	if (err)
		return err;
	path_of_fd(f->fd, path);
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
	int err = base_hold(b, i, BASE_PATH, &f);

	if (err)
		return err;
	path_of_fd(f->fd, path);
	n = listxattr(path, buf, len);
	if (n < 0)
		n = -errno;
	base_put(b, f);
	return n;
}

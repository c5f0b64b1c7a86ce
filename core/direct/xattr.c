/* SPDX-License-Identifier: MIT */
/*
 * ACLs are passed to the base unchanged: it keeps the mode and the ACL
 * consistent by itself.
 */
#include "xattr.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "attr.h"
#include "change_cookie.h"
#include "core/lib/acl.h"
#include "core/lib/path.h"

ssize_t direct_getxattr(struct mapfs_view *v, mapfs_ino ino, const char *name,
			void *buf, size_t len)
{
	struct direct *d = direct_of(v);
	struct inode *i;
	ssize_t n = direct_get(d, ino, &i);

	if (n)
		return n;
	n = i->is_foreign ? -ENODATA :
			    base_getxattr(d->base, i, name, buf, len);
	direct_put(d, i);
	return n;
}

ssize_t direct_listxattr(struct mapfs_view *v, mapfs_ino ino, char *buf,
			 size_t len)
{
	struct direct *d = direct_of(v);
	struct inode *i;
	ssize_t n = direct_get(d, ino, &i);

	if (n)
		return n;
	n = i->is_foreign ? 0 : base_listxattr(d->base, i, buf, len);
	direct_put(d, i);
	return n;
}

static int drop_sgid(const struct direct_fd *f)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	if (!(st.st_mode & S_ISGID))
		return 0;
	return direct_chmod(f, st.st_mode & ~(mode_t)S_ISGID);
}

/* set->value NULL: removes it. */
static int change(struct direct *d, mapfs_ino ino,
		  const struct mapfs_setxattr *set)
{
	char path[PATH_OF_FD_BYTES];
	struct direct_fd f;
	struct inode *i;
	bool was_current;
	int ret;
	int err = direct_get(d, ino, &i);

	if (err)
		return err;
	err = direct_fd_get(d, i, 0, DIRECT_PATH, &f);
	if (err)
		goto put_inode;
	was_current = change_cookie_begin(i, f.fd);
	path_of_fd(f.fd, path);
	ret = set->value ? setxattr(path, set->name, set->value, set->len,
				    set->flags) :
			   removexattr(path, set->name);
	err = ret < 0 ? -errno : 0;
	if (!err && set->kill_sgid && strcmp(set->name, ACL_ACCESS_NAME) == 0)
		err = drop_sgid(&f);
	change_cookie_end(i, f.fd, was_current);
	direct_fd_put(d, &f);
put_inode:
	direct_put(d, i);
	return err;
}

int direct_setxattr(struct mapfs_view *v, mapfs_ino ino,
		    const struct mapfs_setxattr *set)
{
	struct mapfs_setxattr s = *set;

	/* NULL means an empty value here. */
	if (!s.value)
		s.value = "";
	return change(direct_of(v), ino, &s);
}

int direct_removexattr(struct mapfs_view *v, mapfs_ino ino, const char *name)
{
	const struct mapfs_setxattr s = { .name = name };

	return change(direct_of(v), ino, &s);
}

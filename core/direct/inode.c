/* SPDX-License-Identifier: MIT */
#include "inode.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int direct_get(struct direct *d, mapfs_ino ino, struct inode **out)
{
	struct inode *i = itable_get(d->itable, ino);

	if (!i)
		return -ESTALE;
	*out = i;
	return 0;
}

int direct_dir_get(struct direct *d, mapfs_ino ino, bool change,
		   struct inode **out)
{
	struct inode *i;
	int err = direct_get(d, ino, &i);

	if (err)
		return err;
	if (!S_ISDIR(i->type))
		err = -ENOTDIR;
	else if (change && i->is_foreign)
		err = -EROFS;
	if (err)
		direct_put(d, i);
	else
		*out = i;
	return err;
}

void direct_put(struct direct *d, struct inode *i)
{
	(void)inode_put(d->itable, i);
}

static int fd_of_inode(struct direct *d, struct inode *i, enum direct_use use,
		       struct direct_fd *out)
{
	int err;

	if (i->is_foreign)
		return -EROFS;
	if (use == DIRECT_WRITE) {
		err = base_reopen(d->base, i, O_WRONLY, &out->fd);
		out->is_owned = !err;
		return err;
	}
	err = base_hold(d->base, i, use == DIRECT_READ ? BASE_READ : BASE_PATH,
			&out->cached);
	if (err)
		return err;
	out->is_path = use == DIRECT_PATH;
	out->fd = base_fd_of(out->cached);
	return 0;
}

int direct_fd_get(struct direct *d, struct inode *i, uint64_t fh,
		  enum direct_use use, struct direct_fd *out)
{
	bool is_known = true;
	struct open_file *f = fh ? open_file_get(d->handles, fh, &is_known) :
				   NULL;
	int err;

	*out = (struct direct_fd){ .fd = -1 };
	if (!is_known)
		return -EBADF;
	if (f && !direct_access_allows(f->access, use)) {
		open_file_put(d->handles, f);
		f = NULL;
	}
	if (!f) {
		err = fd_of_inode(d, i, use, out);
		/* An unlinked file: only open files lead to it. */
		if (err == -ESTALE)
			f = open_file_find(d->handles, i, use);
		if (!f)
			return err;
	}
	out->file = f;
	out->fd = f->fd;
	out->appends = f->appends;
	return 0;
}

void direct_fd_put(struct direct *d, struct direct_fd *f)
{
	if (f->file)
		open_file_put(d->handles, f->file);
	else if (f->cached)
		base_put(d->base, f->cached);
	else if (f->is_owned)
		close(f->fd);
}

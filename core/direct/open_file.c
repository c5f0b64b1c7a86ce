/* SPDX-License-Identifier: MIT */
#include "open_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "change_cookie.h"
#include "core/lib/timespec.h"
#include "inode.h"

/*
 * A file made by O_TMPFILE may have a mode that lets nobody open it, not even
 * its maker.  Then its first descriptor, which pins it, is the only one.
 */
static int open_pinned(struct direct *d, struct inode *i, int flags, int *fd)
{
	int got;
	int access;

	if (inode_pin_dup(d->itable, i, &got))
		return -EACCES;
	access = fcntl(got, F_GETFL);
	if (access < 0 || (access & O_PATH) ||
	    !direct_access_allows(access & O_ACCMODE,
				  (flags & O_ACCMODE) == O_RDONLY ?
					  DIRECT_READ :
					  DIRECT_WRITE)) {
		close(got);
		return -EACCES;
	}
	*fd = got;
	return 0;
}

static int open_inode(struct direct *d, struct inode *i, int flags, int *fd)
{
	/* The kernel itself turns O_APPEND into offsets, and creates files. */
	int kept = flags & (O_ACCMODE | O_SYNC | O_DSYNC | O_TRUNC);
	int err;

	if (!S_ISREG(i->type))
		return S_ISDIR(i->type) ? -EISDIR : -EINVAL;
	err = base_reopen(d->base, i, kept, fd);
	/* A file with chattr +a can only be opened for appending. */
	if (err == -EPERM && (flags & O_APPEND))
		err = base_reopen(d->base, i, kept | O_APPEND, fd);
	if (err == -EACCES)
		err = open_pinned(d, i, flags, fd);
	return err;
}

int direct_open_file(struct mapfs_view *v, mapfs_ino ino, int flags,
		     uint64_t *fh, bool *changed)
{
	struct direct *d = direct_of(v);
	struct inode *i;
	struct statx stx;
	bool is_changed;
	int fd;
	int err = direct_get(d, ino, &i);

	if (err)
		return err;
	err = open_inode(d, i, flags, &fd);
	if (err)
		goto put_inode;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) < 0) {
		err = -errno;
		close(fd);
		goto put_inode;
	}
	is_changed = change_cookie_differs(i, &stx);
	err = handle_add(d->handles,
			 (struct handle_object){ i->ino, i->generation }, fd,
			 fh);
	if (err)
		goto put_inode;
	/* The kernel drops stale pages now; it caches this version next. */
	change_cookie_set(i, &stx);
	*changed = is_changed;
put_inode:
	direct_put(d, i);
	return err;
}

bool direct_read_counts(struct mapfs_view *v, uint64_t fh)
{
	struct direct *d = direct_of(v);
	bool is_known;
	struct open_file *f = open_file_get(d->handles, fh, &is_known);
	bool counts = false;
	struct statx stx;

	if (!f)
		return false;
	if (f->access != O_WRONLY &&
	    statx(f->fd, "", AT_EMPTY_PATH,
		  STATX_ATIME | STATX_MTIME | STATX_CTIME, &stx) == 0) {
		const struct timespec atime = timespec_of_statx(stx.stx_atime);
		const struct timespec mtime = timespec_of_statx(stx.stx_mtime);
		const struct timespec ctime = timespec_of_statx(stx.stx_ctime);

		counts = base_read_moves_atime(d->base, &atime, &mtime, &ctime);
	}
	open_file_put(d->handles, f);
	return counts;
}

bool direct_only_appends(struct mapfs_view *v, uint64_t fh)
{
	struct direct *d = direct_of(v);
	bool is_known;
	struct open_file *f = open_file_get(d->handles, fh, &is_known);
	bool appends = f && f->appends;

	if (f)
		open_file_put(d->handles, f);
	return appends;
}

void direct_release(struct mapfs_view *v, uint64_t fh)
{
	handle_remove(direct_of(v)->handles, fh);
}

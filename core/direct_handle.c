/* SPDX-License-Identifier: MIT */
/*
 * Open files of write mode.
 *
 * A file may be open for writing that its mode no longer lets us open, or
 * that has no name any more; so each open has a descriptor of its own.  The
 * kernel's handle is a number in a table, so a wrong one is an error and not
 * a crash.
 */
#include "direct_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct handle {
	uint64_t fh;	    /* fixed at birth, never 0 */
	int fd;		    /* fixed at birth */
	int access;	    /* fixed at birth: O_ACCMODE part */
	bool appends;	    /* fixed at birth: writes go to the end */
	unsigned int users; /* by direct.lock; the table is one */
	UT_hash_handle hh;  /* by direct.lock */
};

static void handle_destroy(struct handle *h)
{
	close(h->fd);
	free(h);
}

void handles_fini(struct direct *d)
{
	struct handle *h;
	struct handle *next;

	HASH_ITER(hh, d->handles, h, next) {
		HASH_DEL(d->handles, h);
		handle_destroy(h);
	}
}

int handle_add(struct direct *d, int fd, uint64_t *fh)
{
	struct handle *h = calloc(1, sizeof(*h));
	bool is_in;

	if (!h) {
		close(fd);
		return -ENOMEM;
	}
	h->fd = fd;
	h->access = fcntl(fd, F_GETFL);
	h->appends = h->access & O_APPEND;
	h->access &= O_ACCMODE;
	h->users = 1;
	rmutex_lock(&d->lock);
	h->fh = ++d->last_fh;
	HASH_ADD(hh, d->handles, fh, sizeof(h->fh), h);
	is_in = h->hh.tbl != NULL;
	rmutex_unlock(&d->lock);
	if (!is_in) {
		handle_destroy(h);
		return -ENOMEM;
	}
	*fh = h->fh;
	return 0;
}

static struct handle *handle_get(struct direct *d, uint64_t fh)
{
	struct handle *h = NULL;

	rmutex_lock(&d->lock);
	HASH_FIND(hh, d->handles, &fh, sizeof(fh), h);
	if (h)
		h->users++;
	rmutex_unlock(&d->lock);
	return h;
}

static void handle_put(struct direct *d, struct handle *h)
{
	bool is_last;

	rmutex_lock(&d->lock);
	is_last = --h->users == 0;
	rmutex_unlock(&d->lock);
	if (is_last)
		handle_destroy(h);
}

bool direct_only_appends(struct mapfs_view *v, uint64_t fh)
{
	struct direct *d = direct_of(v);
	struct handle *h = handle_get(d, fh);
	bool appends = h && h->appends;

	if (h)
		handle_put(d, h);
	return appends;
}

void direct_release(struct mapfs_view *v, uint64_t fh)
{
	struct direct *d = direct_of(v);
	struct handle *h = NULL;

	rmutex_lock(&d->lock);
	HASH_FIND(hh, d->handles, &fh, sizeof(fh), h);
	if (h)
		HASH_DEL(d->handles, h);
	rmutex_unlock(&d->lock);
	if (h)
		handle_put(d, h);
}

static bool access_allows(int access, enum direct_use use)
{
	return use == DIRECT_PATH || access == O_RDWR ||
	       access == (use == DIRECT_READ ? O_RDONLY : O_WRONLY);
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
	struct handle *h = fh ? handle_get(d, fh) : NULL;

	*out = (struct direct_fd){ .fd = -1 };
	if (fh && !h)
		return -EBADF;
	if (h && access_allows(h->access, use)) {
		out->handle = h;
		out->fd = h->fd;
		out->appends = h->appends;
		return 0;
	}
	if (h)
		handle_put(d, h);
	return fd_of_inode(d, i, use, out);
}

void direct_fd_put(struct direct *d, struct direct_fd *f)
{
	if (f->handle)
		handle_put(d, f->handle);
	else if (f->cached)
		base_put(d->base, f->cached);
	else if (f->is_owned)
		close(f->fd);
}

/*
 * A file made by O_TMPFILE may have a mode that lets nobody open it, not even
 * its maker; its first descriptor is then the only one there will be.
 */
static int open_pinned(struct direct *d, struct inode *i, int flags, int *fd)
{
	int got;
	int access;

	if (inode_pin_dup(d->itable, i, &got))
		return -EACCES;
	access = fcntl(got, F_GETFL);
	if (access < 0 || (access & O_PATH) ||
	    !access_allows(access & O_ACCMODE, (flags & O_ACCMODE) == O_RDONLY ?
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
	/* The kernel has made offsets of O_APPEND, and a new file is made. */
	int kept = flags & (O_ACCMODE | O_SYNC | O_DSYNC | O_TRUNC);
	int err;

	if (!S_ISREG(i->type))
		return S_ISDIR(i->type) ? -EISDIR : -EINVAL;
	err = base_reopen(d->base, i, kept, fd);
	/* chattr +a: it opens for appending only. */
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
	is_changed = direct_is_changed(i, &stx);
	err = handle_add(d, fd, fh);
	if (err)
		goto put_inode;
	/* What is stale goes now; from here on this version is what counts. */
	direct_show(i, &stx);
	*changed = is_changed;
put_inode:
	direct_put(d, i);
	return err;
}

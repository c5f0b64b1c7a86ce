/* SPDX-License-Identifier: MIT */
/*
 * Open files of write mode, and open directories.
 *
 * A file may be open for writing that its mode no longer lets us open, or
 * that has no name any more; so an open has a descriptor.  Those for reading
 * are shared by all who have the inode open; one for writing is its opener's
 * own, because a failed writeback is reported once to each descriptor.  Of a
 * directory the handle keeps its listing, which is out of the table while
 * somebody reads it.  The kernel's handle is a number in a table, so a wrong
 * one is an error and not a crash.
 *
 * Open files must not take the last descriptors: without one no directory can
 * be listed and no name removed, and then nobody gets on to close any.  So an
 * open fails while some are left.
 */
#include "direct_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "core/lib/timespec.h"

#define RESERVE_MOST 256 /* of the process's descriptors, at most an eighth */

struct open_file {
	mapfs_ino ino;		/* fixed at birth */
	uint64_t generation;	/* fixed at birth */
	int fd;			/* fixed at birth */
	int access;		/* fixed at birth: O_ACCMODE part */
	bool appends;		/* fixed at birth: writes go to the end */
	bool is_shared;		/* fixed at birth */
	unsigned int users;	/* by direct.lock */
	struct open_file *prev; /* of the inode, by direct.lock */
	struct open_file *next;
};

/* The open files of one inode. */
struct opened {
	mapfs_ino ino;		 /* fixed at birth */
	struct open_file *files; /* by direct.lock */
	UT_hash_handle hh;	 /* by direct.lock */
};

/* Of a file or of a directory. */
struct handle {
	uint64_t fh;		      /* fixed at birth, never 0 */
	struct open_file *file;	      /* fixed at birth; NULL: a directory */
	mapfs_ino dir;		      /* fixed at birth; 0: a file */
	struct base_listing *listing; /* of it, by direct.lock; or NULL */
	UT_hash_handle hh;	      /* by direct.lock */
};

void handles_init(struct direct *d)
{
	struct rlimit lim = { .rlim_cur = RLIM_INFINITY };
	uint64_t reserve;

	(void)getrlimit(RLIMIT_NOFILE, &lim);
	reserve = lim.rlim_cur / 8 < RESERVE_MOST ? lim.rlim_cur / 8 :
						    RESERVE_MOST;
	d->open_max = lim.rlim_cur - reserve;
}

static struct opened *opened_find(struct direct *d, mapfs_ino ino)
{
	struct opened *o = NULL;

	HASH_FIND(hh, d->opened, &ino, sizeof(ino), o);
	return o;
}

/* Out of the table; the caller closes it once the lock is dropped. */
static void file_detach(struct direct *d, struct open_file *f)
{
	struct opened *o = opened_find(d, f->ino);

	assert(o);
	DL_DELETE(o->files, f);
	d->open_count--;
	if (o->files)
		return;
	HASH_DEL(d->opened, o);
	free(o);
}

static void file_destroy(struct open_file *f)
{
	if (!f)
		return;
	close(f->fd);
	free(f);
}

static void file_put(struct direct *d, struct open_file *f)
{
	bool is_last;

	rmutex_lock(&d->lock);
	is_last = --f->users == 0;
	if (is_last)
		file_detach(d, f);
	rmutex_unlock(&d->lock);
	if (is_last)
		file_destroy(f);
}

/* Out of the table already. */
static void handle_destroy(struct direct *d, struct handle *h)
{
	if (h->file)
		file_put(d, h->file);
	base_listing_destroy(h->listing);
	free(h);
}

void handles_fini(struct direct *d)
{
	struct handle *h;
	struct handle *next;

	HASH_ITER(hh, d->handles, h, next) {
		HASH_DEL(d->handles, h);
		handle_destroy(d, h);
	}
}

/* One that others have, of the same object, with nothing of its own. */
static struct open_file *find_shared(const struct opened *o,
				     const struct open_file *like)
{
	struct open_file *f;

	if (!like->is_shared)
		return NULL;
	DL_FOREACH(o->files, f) {
		if (f->is_shared && f->generation == like->generation)
			return f;
	}
	return NULL;
}

static int insert_locked(struct direct *d, struct open_file *f)
{
	struct opened *o = opened_find(d, f->ino);

	if (d->open_count >= d->open_max)
		return -EMFILE;
	if (!o) {
		o = calloc(1, sizeof(*o));
		if (!o)
			return -ENOMEM;
		o->ino = f->ino;
		HASH_ADD(hh, d->opened, ino, sizeof(o->ino), o);
		if (!o->hh.tbl) {
			free(o);
			return -ENOMEM;
		}
	}
	DL_APPEND(o->files, f);
	d->open_count++;
	return 0;
}

/* `mine`, or one that does as well; `mine` is destroyed if it is not used. */
static int file_insert(struct direct *d, struct open_file *mine,
		       struct open_file **out)
{
	struct open_file *there = NULL;
	struct opened *o;
	int err = 0;

	rmutex_lock(&d->lock);
	o = opened_find(d, mine->ino);
	if (o)
		there = find_shared(o, mine);
	if (there)
		there->users++;
	else
		err = insert_locked(d, mine);
	rmutex_unlock(&d->lock);
	if (there || err)
		file_destroy(mine);
	if (err)
		return err;
	*out = there ? there : mine;
	return 0;
}

/* Takes `fd`; on error it is closed. */
static int file_create(const struct direct *d, const struct mapfs_entry *of,
		       int fd, struct open_file **out)
{
	struct open_file *f = calloc(1, sizeof(*f));

	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	f->ino = of->attr.ino;
	f->generation = of->generation;
	f->fd = fd;
	f->access = fcntl(fd, F_GETFL);
	f->appends = f->access & O_APPEND;
	f->access &= O_ACCMODE;
	/* Of a server the older one may be stale. */
	f->is_shared = f->access == O_RDONLY && !base_is_remote(d->base);
	f->users = 1;
	*out = f;
	return 0;
}

/* Takes `h`; on error it is destroyed. */
static int handle_enter(struct direct *d, struct handle *h, uint64_t *fh)
{
	bool is_in;

	rmutex_lock(&d->lock);
	h->fh = ++d->last_fh;
	HASH_ADD(hh, d->handles, fh, sizeof(h->fh), h);
	is_in = h->hh.tbl != NULL;
	rmutex_unlock(&d->lock);
	if (!is_in) {
		handle_destroy(d, h);
		return -ENOMEM;
	}
	*fh = h->fh;
	return 0;
}

int handle_add(struct direct *d, const struct mapfs_entry *of, int fd,
	       uint64_t *fh)
{
	struct handle *h = calloc(1, sizeof(*h));
	int err;

	if (!h) {
		close(fd);
		return -ENOMEM;
	}
	err = file_create(d, of, fd, &h->file);
	if (!err)
		err = file_insert(d, h->file, &h->file);
	if (err) {
		free(h);
		if (err == -EMFILE)
			base_say_full(d->base, err);
		return err;
	}
	return handle_enter(d, h, fh);
}

int handle_add_dir(struct direct *d, mapfs_ino dir, uint64_t *fh)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->dir = dir;
	return handle_enter(d, h, fh);
}

int handle_take_listing(struct direct *d, uint64_t fh, mapfs_ino *dir,
			struct base_listing **out)
{
	struct handle *h = NULL;
	int err = 0;

	*out = NULL;
	rmutex_lock(&d->lock);
	HASH_FIND(hh, d->handles, &fh, sizeof(fh), h);
	if (h && h->dir) {
		*dir = h->dir;
		*out = h->listing;
		h->listing = NULL;
	} else {
		err = -EBADF;
	}
	rmutex_unlock(&d->lock);
	return err || *out ? err : base_listing_create(out, d->base);
}

void handle_give_listing(struct direct *d, uint64_t fh, struct base_listing *l)
{
	struct handle *h = NULL;

	rmutex_lock(&d->lock);
	HASH_FIND(hh, d->handles, &fh, sizeof(fh), h);
	if (h && !h->listing) {
		h->listing = l;
		l = NULL;
	}
	rmutex_unlock(&d->lock);
	base_listing_destroy(l);
}

/* *is_known: there is such a handle; that of a directory has no file. */
static struct open_file *file_get(struct direct *d, uint64_t fh, bool *is_known)
{
	struct open_file *f = NULL;
	struct handle *h = NULL;

	rmutex_lock(&d->lock);
	HASH_FIND(hh, d->handles, &fh, sizeof(fh), h);
	*is_known = h != NULL;
	if (h && h->file) {
		f = h->file;
		f->users++;
	}
	rmutex_unlock(&d->lock);
	return f;
}

bool direct_only_appends(struct mapfs_view *v, uint64_t fh)
{
	struct direct *d = direct_of(v);
	bool is_known;
	struct open_file *f = file_get(d, fh, &is_known);
	bool appends = f && f->appends;

	if (f)
		file_put(d, f);
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
		handle_destroy(d, h);
}

static bool access_allows(int access, enum direct_use use)
{
	return use == DIRECT_PATH || access == O_RDWR ||
	       access == (use == DIRECT_READ ? O_RDONLY : O_WRONLY);
}

/* Anybody's who has the inode open: it may have no other way to it left. */
static struct open_file *file_of_inode(struct direct *d, const struct inode *i,
				       enum direct_use use)
{
	struct open_file *f = NULL;
	struct opened *o;

	rmutex_lock(&d->lock);
	o = opened_find(d, i->ino);
	if (o)
		DL_FOREACH(o->files, f) {
			if (f->generation == i->generation &&
			    access_allows(f->access, use))
				break;
		}
	if (f)
		f->users++;
	rmutex_unlock(&d->lock);
	return f;
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
	struct open_file *f = fh ? file_get(d, fh, &is_known) : NULL;
	int err;

	*out = (struct direct_fd){ .fd = -1 };
	if (!is_known)
		return -EBADF;
	if (f && !access_allows(f->access, use)) {
		file_put(d, f);
		f = NULL;
	}
	if (!f) {
		err = fd_of_inode(d, i, use, out);
		if (err == -ESTALE)
			f = file_of_inode(d, i, use);
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
		file_put(d, f->file);
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
	struct mapfs_entry of = { 0 };
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
	of.attr.ino = i->ino;
	of.generation = i->generation;
	err = handle_add(d, &of, fd, fh);
	if (err)
		goto put_inode;
	/* What is stale goes now; from here on this version is what counts. */
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
	struct open_file *f = file_get(d, fh, &is_known);
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
	file_put(d, f);
	return counts;
}

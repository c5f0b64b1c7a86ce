/* SPDX-License-Identifier: MIT */
/*
 * A table of handles by number, and one of open files by inode, under one
 * lock.  A listing is out of the table while a caller reads it.
 *
 * Open files must not take the last descriptors: without one no directory can
 * be listed and no name removed, and so nobody could close any.  An open
 * fails while a reserve is left.
 */
#include "handle.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <utlist.h>

#include "core/lib/lock.h"
#include "core/lib/uthash_safe.h"

#define RESERVE_MOST 256 /* of the process's descriptors, at most an eighth */

/* The open files of one inode. */
struct opened {
	mapfs_ino ino;		 /* fixed at birth */
	struct open_file *files; /* by handles.lock */
	UT_hash_handle hh;	 /* by handles.lock */
};

/* Of a file or of a directory. */
struct handle {
	uint64_t fh;		      /* fixed at birth, never 0 */
	struct open_file *file;	      /* fixed at birth; NULL: a directory */
	mapfs_ino dir;		      /* fixed at birth; 0: a file */
	struct base_listing *listing; /* by handles.lock; or NULL */
	UT_hash_handle hh;	      /* by handles.lock */
};

struct handles {
	struct rmutex lock;	/* RANK_DIRECT */
	struct base *base;	/* fixed; borrowed */
	struct handle *handles; /* by lock; uthash */
	struct opened *opened;	/* by lock; uthash */
	uint64_t open_count;	/* by lock: descriptors of open files */
	uint64_t open_max;	/* fixed */
	uint64_t last_fh;	/* by lock */
};

static uint64_t open_max(void)
{
	struct rlimit lim = { .rlim_cur = RLIM_INFINITY };
	uint64_t reserve;

	(void)getrlimit(RLIMIT_NOFILE, &lim);
	reserve = lim.rlim_cur / 8 < RESERVE_MOST ? lim.rlim_cur / 8 :
						    RESERVE_MOST;
	return lim.rlim_cur - reserve;
}

int handles_create(struct handles **out, struct base *b)
{
	struct handles *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	rmutex_init(&t->lock, RANK_DIRECT);
	t->base = b;
	t->open_max = open_max();
	*out = t;
	return 0;
}

static struct opened *opened_find(struct handles *t, mapfs_ino ino)
{
	struct opened *o = NULL;

	HASH_FIND(hh, t->opened, &ino, sizeof(ino), o);
	return o;
}

/* Lock held; the caller destroys the file once it is dropped. */
static void detach_locked(struct handles *t, struct open_file *f)
{
	struct opened *o = opened_find(t, f->of.ino);

	assert(o);
	DL_DELETE(o->files, f);
	t->open_count--;
	if (o->files)
		return;
	HASH_DEL(t->opened, o);
	free(o);
}

static void file_destroy(struct open_file *f)
{
	if (!f)
		return;
	close(f->fd);
	free(f);
}

void open_file_put(struct handles *t, struct open_file *f)
{
	bool is_last;

	rmutex_lock(&t->lock);
	is_last = --f->users == 0;
	if (is_last)
		detach_locked(t, f);
	rmutex_unlock(&t->lock);
	if (is_last)
		file_destroy(f);
}

/* The handle is out of the table already. */
static void handle_destroy(struct handles *t, struct handle *h)
{
	if (h->file)
		open_file_put(t, h->file);
	base_listing_destroy(h->listing);
	free(h);
}

void handles_destroy(struct handles *t)
{
	struct handle *h;
	struct handle *next;

	if (!t)
		return;
	HASH_ITER(hh, t->handles, h, next) {
		HASH_DEL(t->handles, h);
		handle_destroy(t, h);
	}
	rmutex_fini(&t->lock);
	free(t);
}

/* An open file of the same object that can be shared, or NULL. */
static struct open_file *find_shared(const struct opened *o,
				     const struct open_file *like)
{
	struct open_file *f;

	if (!like->is_shared)
		return NULL;
	DL_FOREACH(o->files, f) {
		if (f->is_shared && f->of.generation == like->of.generation)
			return f;
	}
	return NULL;
}

static int insert_locked(struct handles *t, struct open_file *f)
{
	struct opened *o = opened_find(t, f->of.ino);

	if (t->open_count >= t->open_max)
		return -EMFILE;
	if (!o) {
		o = calloc(1, sizeof(*o));
		if (!o)
			return -ENOMEM;
		o->ino = f->of.ino;
		HASH_ADD(hh, t->opened, ino, sizeof(o->ino), o);
		if (!o->hh.tbl) {
			free(o);
			return -ENOMEM;
		}
	}
	DL_APPEND(o->files, f);
	t->open_count++;
	return 0;
}

/* *out is `mine`, or a shared one in its place; then `mine` is destroyed. */
static int file_insert(struct handles *t, struct open_file *mine,
		       struct open_file **out)
{
	struct open_file *there = NULL;
	struct opened *o;
	int err = 0;

	rmutex_lock(&t->lock);
	o = opened_find(t, mine->of.ino);
	if (o)
		there = find_shared(o, mine);
	if (there)
		there->users++;
	else
		err = insert_locked(t, mine);
	rmutex_unlock(&t->lock);
	if (there || err)
		file_destroy(mine);
	if (err)
		return err;
	*out = there ? there : mine;
	return 0;
}

/* Takes `fd`; on error it is closed. */
static int file_create(const struct handles *t, struct handle_object of, int fd,
		       struct open_file **out)
{
	struct open_file *f = calloc(1, sizeof(*f));

	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	f->of = of;
	f->fd = fd;
	f->access = fcntl(fd, F_GETFL);
	f->appends = f->access & O_APPEND;
	f->access &= O_ACCMODE;
	/* A server may have invalidated an older descriptor. */
	f->is_shared = f->access == O_RDONLY && !base_is_remote(t->base);
	f->users = 1;
	*out = f;
	return 0;
}

/* Takes `h`; on error it is destroyed. */
static int handle_enter(struct handles *t, struct handle *h, uint64_t *fh)
{
	bool is_in;

	rmutex_lock(&t->lock);
	h->fh = ++t->last_fh;
	HASH_ADD(hh, t->handles, fh, sizeof(h->fh), h);
	is_in = h->hh.tbl != NULL;
	rmutex_unlock(&t->lock);
	if (!is_in) {
		handle_destroy(t, h);
		return -ENOMEM;
	}
	*fh = h->fh;
	return 0;
}

int handle_add(struct handles *t, struct handle_object of, int fd, uint64_t *fh)
{
	struct handle *h = calloc(1, sizeof(*h));
	int err;

	if (!h) {
		close(fd);
		return -ENOMEM;
	}
	err = file_create(t, of, fd, &h->file);
	if (!err)
		err = file_insert(t, h->file, &h->file);
	if (err) {
		free(h);
		if (err == -EMFILE)
			base_say_full(t->base, err);
		return err;
	}
	return handle_enter(t, h, fh);
}

int handle_add_dir(struct handles *t, mapfs_ino dir, uint64_t *fh)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->dir = dir;
	return handle_enter(t, h, fh);
}

int handle_take_listing(struct handles *t, uint64_t fh, mapfs_ino *dir,
			struct base_listing **out)
{
	struct handle *h = NULL;
	int err = 0;

	*out = NULL;
	rmutex_lock(&t->lock);
	HASH_FIND(hh, t->handles, &fh, sizeof(fh), h);
	if (h && h->dir) {
		*dir = h->dir;
		*out = h->listing;
		h->listing = NULL;
	} else {
		err = -EBADF;
	}
	rmutex_unlock(&t->lock);
	return err || *out ? err : base_listing_create(out, t->base);
}

void handle_give_listing(struct handles *t, uint64_t fh, struct base_listing *l)
{
	struct handle *h = NULL;

	rmutex_lock(&t->lock);
	HASH_FIND(hh, t->handles, &fh, sizeof(fh), h);
	if (h && !h->listing) {
		h->listing = l;
		l = NULL;
	}
	rmutex_unlock(&t->lock);
	base_listing_destroy(l);
}

void handle_remove(struct handles *t, uint64_t fh)
{
	struct handle *h = NULL;

	rmutex_lock(&t->lock);
	HASH_FIND(hh, t->handles, &fh, sizeof(fh), h);
	if (h)
		HASH_DEL(t->handles, h);
	rmutex_unlock(&t->lock);
	if (h)
		handle_destroy(t, h);
}

struct open_file *open_file_get(struct handles *t, uint64_t fh, bool *is_known)
{
	struct open_file *f = NULL;
	struct handle *h = NULL;

	rmutex_lock(&t->lock);
	HASH_FIND(hh, t->handles, &fh, sizeof(fh), h);
	*is_known = h != NULL;
	if (h && h->file) {
		f = h->file;
		f->users++;
	}
	rmutex_unlock(&t->lock);
	return f;
}

bool direct_access_allows(int access, enum direct_use use)
{
	return use == DIRECT_PATH || access == O_RDWR ||
	       access == (use == DIRECT_READ ? O_RDONLY : O_WRONLY);
}

struct open_file *open_file_find(struct handles *t, const struct inode *i,
				 enum direct_use use)
{
	struct open_file *f = NULL;
	struct opened *o;

	rmutex_lock(&t->lock);
	o = opened_find(t, i->ino);
	if (o)
		DL_FOREACH(o->files, f) {
			if (f->of.generation == i->generation &&
			    direct_access_allows(f->access, use))
				break;
		}
	if (f)
		f->users++;
	rmutex_unlock(&t->lock);
	return f;
}

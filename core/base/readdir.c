/* SPDX-License-Identifier: MIT */
/*
 * An open listing reads entries into a buffer and passes them on, over as many
 * calls as that takes.  While the buffer can answer, the descriptor does not
 * seek: btrfs records where a listing ends when the directory is opened, so
 * that names created later are not in it, and records it again at each seek;
 * then a program that renames each file it lists would never end.  For
 * the same reason a call passes on entries of one buffer only: a reader that
 * did not take them all continues in that buffer.
 */
#include "readdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/array.h"
#include "core/lib/path.h"
#include "foreign.h"
#include "inode.h"
#include "only_file.h"
#include "resolve.h"
#include "root.h"
#include "root_priv.h"

/* Many listings end within the first part: it is small, the others are big. */
#define BITE_BYTES (8U << 10)
#define DENTS_BYTES (64U << 10)

struct base_listing {
	struct base *b;	  /* borrowed */
	int fd;		  /* -1: not open */
	bool at_end;	  /* no entries behind those in buf */
	char *buf;	  /* NULL: none yet */
	size_t buf_bytes; /* allocated */
	ssize_t end;	  /* of the entries in buf */
	uint64_t before;  /* cookie of the entry before those in buf */
	uint64_t told;	  /* cookie of the entry passed on last ... */
	ssize_t told_end; /* ... and its end in buf */
};

/* One call: whom it tells entries of which directory. */
struct teller {
	struct base_listing *l;
	const struct inode *dir;
	base_dirent_fn fn;
	void *arg;
	bool used; /* fn used a name */
};

/*
 * Corrects what the entry itself says: the type, where the directory has none,
 * and the number, where something is mounted on the name.
 */
static void ask_object(const struct teller *t, const char *name, mode_t *type,
		       uint64_t *ino)
{
	struct statx stx;

	if (statx(t->l->fd, name,
		  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_INO | STATX_MNT_ID, &stx) < 0)
		return;
	*type = stx.stx_mode & S_IFMT;
	if (*type == S_IFDIR && base_is_foreign(t->l->b, &stx))
		*ino = base_foreign_ino(t->dir, name);
}

static const struct dirent64 *entry_at(const struct base_listing *l, ssize_t at)
{
	return (const void *)(l->buf + at);
}

/* Passes on the entries of the buffer from `at` on. */
static int tell_entries(struct teller *t, ssize_t at)
{
	struct base_listing *l = t->l;

	while (at < l->end) {
		const struct dirent64 *e = entry_at(l, at);
		mode_t type = DTTOIF(e->d_type);
		uint64_t ino = e->d_ino;
		int ret;

		if (path_is_dot(e->d_name))
			type = S_IFDIR;
		else if (e->d_type == DT_UNKNOWN ||
			 (e->d_type == DT_DIR && l->b->may_hide_foreign))
			ask_object(t, e->d_name, &type, &ino);
		ret = t->fn(t->arg, e->d_name, ino, type, (uint64_t)e->d_off);
		if (ret && ret != BASE_SKIPPED)
			return ret;
		t->used |= ret != BASE_SKIPPED;
		at += e->d_reclen;
		l->told = (uint64_t)e->d_off;
		l->told_end = at;
	}
	return 0;
}

int base_listing_create(struct base_listing **out, struct base *b)
{
	struct base_listing *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->b = b;
	l->fd = -1;
	*out = l;
	return 0;
}

static void listing_empty(struct base_listing *l, uint64_t before)
{
	l->end = 0;
	l->before = before;
	l->told = before;
	l->told_end = 0;
}

static void listing_close(struct base_listing *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static void listing_drop(struct base_listing *l)
{
	free(l->buf);
	l->buf = NULL;
	l->buf_bytes = 0;
}

void base_listing_destroy(struct base_listing *l)
{
	if (!l)
		return;
	listing_close(l);
	listing_drop(l);
	free(l);
}

/*
 * Opens a descriptor of its own: the position in a directory belongs to the
 * open file.
 */
static int listing_open(struct base_listing *l, struct inode *dir)
{
	struct base_fd *f;
	int err = base_hold(l->b, dir, BASE_PATH, &f);

	if (err)
		return err;
	err = base_openat(l->b, base_fd_of(f), ".", O_RDONLY | O_DIRECTORY,
			  &l->fd);
	if (err)
		l->fd = -1;
	base_put(l->b, f);
	return err;
}

/* The next entries are those behind `cookie`. */
static int listing_seek(struct base_listing *l, struct inode *dir,
			uint64_t cookie)
{
	const bool was_open = l->fd >= 0;
	int err = was_open ? 0 : listing_open(l, dir);

	if (err)
		return err;
	if ((was_open || cookie) && lseek(l->fd, (off_t)cookie, SEEK_SET) < 0)
		return -errno;
	listing_empty(l, cookie);
	l->at_end = false;
	return 0;
}

/* Offset in the buffer of the entry behind `cookie`; -1: not in there. */
static ssize_t listing_find(const struct base_listing *l, uint64_t cookie)
{
	ssize_t at = 0;

	/* A reader that asks for the start once more wants to see new names. */
	if (cookie == 0 || (l->fd < 0 && !l->at_end))
		return -1;
	if (cookie == l->told)
		return l->told_end;
	if (cookie == l->before)
		return 0;
	while (at < l->end) {
		const struct dirent64 *e = entry_at(l, at);

		at += e->d_reclen;
		if ((uint64_t)e->d_off == cookie)
			return at;
	}
	return -1;
}

static int listing_make_room(struct base_listing *l)
{
	return array_reserve(&l->buf, &l->buf_bytes,
			     l->buf ? DENTS_BYTES : BITE_BYTES);
}

/* Replaces the entries of the buffer, all passed on, by the next ones. */
static int listing_fill(struct base_listing *l)
{
	ssize_t n;
	int err = listing_make_room(l);

	if (err)
		return err;
	n = getdents64(l->fd, l->buf, l->buf_bytes);
	if (n < 0)
		return -errno;
	listing_empty(l, l->told);
	l->end = n;
	if (n > 0)
		return 0;
	l->at_end = true;
	listing_close(l);
	listing_drop(l);
	return 0;
}

/* The root of a base that is a file. */
static int tell_only_file(struct teller *t, uint64_t cookie)
{
	const struct only_file *f = t->l->b->only;
	struct statx stx;
	int ret;

	t->l->at_end = true;
	if (cookie)
		return 0;
	if (statx(f->fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO, &stx) < 0)
		return -errno;
	only_file_show(f, &stx);
	ret = t->fn(t->arg, f->name, stx.stx_ino, stx.stx_mode & S_IFMT, 1);
	return ret == BASE_SKIPPED ? 0 : ret;
}

int base_listing_read(struct base_listing *l, struct inode *dir,
		      uint64_t cookie, base_dirent_fn fn, void *arg)
{
	struct teller t = { .l = l, .dir = dir, .fn = fn, .arg = arg };
	ssize_t at = listing_find(l, cookie);
	int err = 0;

	if (l->b->only)
		return tell_only_file(&t, cookie);
	if (l->b->is_none) {
		l->at_end = true;
		return 0;
	}
	if (at < 0) {
		err = listing_seek(l, dir, cookie);
		at = 0;
	}
	while (!err && !t.used && (at < l->end || !l->at_end)) {
		if (at == l->end) {
			err = listing_fill(l);
			at = 0;
		}
		if (!err)
			err = tell_entries(&t, at);
		at = l->end;
	}
	return err;
}

int base_readdir(struct base *b, struct inode *dir, uint64_t cookie,
		 base_dirent_fn fn, void *arg)
{
	struct base_listing *l;
	int ret = base_listing_create(&l, b);

	if (ret)
		return ret;
	do {
		ret = base_listing_read(l, dir, cookie, fn, arg);
		cookie = l->told;
	} while (!ret && !l->at_end);
	base_listing_destroy(l);
	return ret;
}

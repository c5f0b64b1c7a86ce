/* SPDX-License-Identifier: MIT */
/*
 * Names of a base directory.
 *
 * An open listing reads a buffer of entries and tells them, over as many
 * calls as it takes.  Its descriptor is never moved back while the buffer can
 * answer: some file systems note when a directory is opened where its listing
 * ends, so that names that come later are not in it, and note it anew when the
 * descriptor seeks (btrfs); then a program that renames what it lists would
 * never be done.  For the same reason a call tells entries of one buffer only:
 * a reader that did not take them all comes back into that buffer.
 */
#include "base_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/path.h"

/* A listing is often asked for in small parts: a first small bite, then big. */
#define BITE_BYTES (8U << 10)
#define DENTS_BYTES (64U << 10)

struct base_listing {
	int fd;		  /* -1: not open */
	bool at_end;	  /* no entries behind those in buf */
	char *buf;	  /* NULL: none yet */
	size_t buf_bytes; /* allocated */
	ssize_t end;	  /* of the entries in buf */
	uint64_t before;  /* cookie of what is before those in buf */
	uint64_t told;	  /* cookie of what was told last ... */
	ssize_t told_end; /* ... and its end in buf */
};

struct walk {
	struct base *b;
	const struct inode *dir;
	struct base_listing *l;
	base_dirent_fn fn;
	void *arg;
	bool used; /* fn used a name */
};

/*
 * What the entry does not say right: the type, where the file system keeps
 * none, and the number, where something is mounted on it.
 */
static void ask_object(const struct walk *w, const char *name, mode_t *type,
		       uint64_t *ino)
{
	struct statx stx;

	if (statx(w->l->fd, name,
		  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_INO | STATX_MNT_ID, &stx) < 0)
		return;
	*type = stx.stx_mode & S_IFMT;
	if (*type == S_IFDIR && base_is_foreign(w->b, &stx))
		*ino = base_foreign_ino(w->dir, name);
}

static const struct dirent64 *entry_at(const struct base_listing *l, ssize_t at)
{
	return (const void *)(l->buf + at);
}

/* Tells the entries of the buffer from `at` on. */
static int tell_entries(struct walk *w, ssize_t at)
{
	while (at < w->l->end) {
		const struct dirent64 *e = entry_at(w->l, at);
		mode_t type = DTTOIF(e->d_type);
		uint64_t ino = e->d_ino;
		int ret;

		if (path_is_dot(e->d_name))
			type = S_IFDIR;
		else if (e->d_type == DT_UNKNOWN ||
			 (e->d_type == DT_DIR && w->b->may_hide_foreign))
			ask_object(w, e->d_name, &type, &ino);
		ret = w->fn(w->arg, e->d_name, ino, type, (uint64_t)e->d_off);
		if (ret && ret != BASE_SKIPPED)
			return ret;
		w->used |= ret != BASE_SKIPPED;
		at += e->d_reclen;
		w->l->told = (uint64_t)e->d_off;
		w->l->told_end = at;
	}
	return 0;
}

int base_listing_create(struct base_listing **out)
{
	struct base_listing *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
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
 * A descriptor of its own: the position of a directory belongs to the open
 * file.
 */
static int listing_open(struct base *b, struct inode *dir,
			struct base_listing *l)
{
	struct base_fd *f;
	int err = base_hold(b, dir, BASE_PATH, &f);

	if (err)
		return err;
	err = base_openat(b, f->fd, ".", O_RDONLY | O_DIRECTORY, &l->fd);
	if (err)
		l->fd = -1;
	base_put(b, f);
	return err;
}

/* Starts anew behind `cookie`. */
static int listing_seek(struct base *b, struct inode *dir,
			struct base_listing *l, uint64_t cookie)
{
	const bool was_open = l->fd >= 0;
	int err = was_open ? 0 : listing_open(b, dir, l);

	if (err)
		return err;
	if ((was_open || cookie) && lseek(l->fd, (off_t)cookie, SEEK_SET) < 0)
		return -errno;
	listing_empty(l, cookie);
	l->at_end = false;
	return 0;
}

/* Where in the buffer what is behind `cookie` begins; -1: not in there. */
static ssize_t listing_find(const struct base_listing *l, uint64_t cookie)
{
	ssize_t at = 0;

	/* The start is asked for again to see what is new. */
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
	const size_t want = l->buf ? DENTS_BYTES : BITE_BYTES;
	char *buf;

	if (l->buf_bytes == want)
		return 0;
	buf = realloc(l->buf, want);
	if (!buf)
		return -ENOMEM;
	l->buf = buf;
	l->buf_bytes = want;
	return 0;
}

/* The next entries into the buffer, all of which was told. */
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

int base_listing_read(struct base *b, struct inode *dir, struct base_listing *l,
		      uint64_t cookie, base_dirent_fn fn, void *arg)
{
	struct walk w = {
		.b = b,
		.dir = dir,
		.l = l,
		.fn = fn,
		.arg = arg,
	};
	ssize_t at = listing_find(l, cookie);
	int err = 0;

	if (at < 0) {
		err = listing_seek(b, dir, l, cookie);
		at = 0;
	}
	while (!err && !w.used && (at < l->end || !l->at_end)) {
		if (at == l->end) {
			err = listing_fill(l);
			at = 0;
		}
		if (!err)
			err = tell_entries(&w, at);
		at = l->end;
	}
	return err;
}

int base_readdir(struct base *b, struct inode *dir, uint64_t cookie,
		 base_dirent_fn fn, void *arg)
{
	struct base_listing *l;
	int ret = base_listing_create(&l);

	if (ret)
		return ret;
	do {
		ret = base_listing_read(b, dir, l, cookie, fn, arg);
		cookie = l->told;
	} while (!ret && !l->at_end);
	base_listing_destroy(l);
	return ret;
}

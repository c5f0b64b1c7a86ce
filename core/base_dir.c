/* SPDX-License-Identifier: MIT */
/*
 * Names of a base directory.
 */
#include "base_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A listing is often asked for in small parts: a first small bite, then big. */
#define BITE_BYTES (8U << 10)
#define DENTS_BYTES (64U << 10)

struct walk {
	struct base *b;
	const struct inode *dir;
	int fd;
	base_dirent_fn fn;
	void *arg;
};

bool base_is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/*
 * What the entry does not say right: the type, where the file system keeps
 * none, and the number, where something is mounted on it.
 */
static void ask_object(const struct walk *w, const char *name, mode_t *type,
		       uint64_t *ino)
{
	struct statx stx;

	if (statx(w->fd, name,
		  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_INO | STATX_MNT_ID, &stx) < 0)
		return;
	*type = stx.stx_mode & S_IFMT;
	if (*type == S_IFDIR && base_is_foreign(w->b, &stx))
		*ino = base_foreign_ino(w->dir, name);
}

static int tell_dents(const struct walk *w, const char *buf, ssize_t n)
{
	for (ssize_t at = 0; at < n;) {
		const struct dirent64 *e = (const void *)(buf + at);
		mode_t type = DTTOIF(e->d_type);
		uint64_t ino = e->d_ino;
		int ret;

		at += e->d_reclen;
		if (base_is_dot(e->d_name))
			type = S_IFDIR;
		else if (e->d_type == DT_UNKNOWN ||
			 (e->d_type == DT_DIR && w->b->may_hide_foreign))
			ask_object(w, e->d_name, &type, &ino);
		ret = w->fn(w->arg, e->d_name, ino, type, (uint64_t)e->d_off);
		if (ret)
			return ret;
	}
	return 0;
}

static int walk_dents(const struct walk *w, uint64_t cookie)
{
	char *buf = malloc(DENTS_BYTES);
	size_t bite = BITE_BYTES;
	ssize_t n = 0;
	int ret = 0;

	if (!buf)
		return -ENOMEM;
	if (cookie && lseek(w->fd, (off_t)cookie, SEEK_SET) < 0)
		ret = -errno;
	while (!ret && (n = getdents64(w->fd, buf, bite)) > 0) {
		ret = tell_dents(w, buf, n);
		bite = DENTS_BYTES;
	}
	if (!ret && n < 0)
		ret = -errno;
	free(buf);
	return ret;
}

/*
 * A descriptor of its own for every call: the position of a directory belongs
 * to the open file, so a shared one would need a lock for the whole listing.
 */
int base_readdir(struct base *b, struct inode *dir, uint64_t cookie,
		 base_dirent_fn fn, void *arg)
{
	struct walk w = { .b = b, .dir = dir, .fn = fn, .arg = arg };
	struct base_fd *f;
	int ret = base_hold(b, dir, BASE_PATH, &f);

	if (ret)
		return ret;
	ret = base_openat(b, f->fd, ".", O_RDONLY | O_DIRECTORY, &w.fd);
	base_put(b, f);
	if (ret)
		return ret;
	ret = walk_dents(&w, cookie);
	close(w.fd);
	return ret;
}

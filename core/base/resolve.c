/* SPDX-License-Identifier: MIT */
/*
 * An object is opened by the first of these that leads to it:
 *
 *	1. a descriptor of it that is open: no name is needed
 *	2. its name in the directory above, if that one's descriptor is cached
 *	3. its path from the root
 *
 * A rename or an unlink by this view makes 2 and 3 fail until the inode's new
 * place is recorded.  base_move_begin() and base_move_end() count these moves;
 * if one was under way, the open is repeated after a wait.
 */
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/path.h"
#include "generation.h"
#include "inode.h"
#include "only_file.h"
#include "root.h"
#include "root_priv.h"

/* The waits add up to a second; after that the object is stale. */
#define MOVE_WAITS 200
#define MOVE_WAIT_NS (50 * 1000)

/* A path of any length, in steps shorter than PATH_MAX; cuts `path`. */
static int open_path(struct base *b, char *path, int flags, int *fd)
{
	int at = b->rootfd;
	int err = 0;

	while (strlen(path) >= PATH_MAX) {
		char *cut = path + PATH_MAX - 1;
		int next;

		while (cut > path && *cut != '/')
			cut--;
		*cut = '\0';
		err = cut == path ? -ENAMETOOLONG :
				    base_openat(b, at, path,
						O_PATH | O_DIRECTORY, &next);
		if (at != b->rootfd)
			close(at);
		if (err)
			return err;
		at = next;
		path = cut + 1;
	}
	err = base_openat(b, at, path, flags, fd);
	if (at != b->rootfd)
		close(at);
	return err;
}

/*
 * Opens the object of a descriptor once more.  No name is used, so a rename
 * or an unlink at the same time does not matter.
 */
static int open_again(struct base *b, int fd, int flags, int *out)
{
	char path[PATH_OF_FD_BYTES];
	int noatime = base_leaves_atime(b, flags) ? O_NOATIME : 0;
	int got;
	int err;

	path_of_fd(fd, path);
	do {
		got = open(path, flags | noatime | O_CLOEXEC);
		err = got < 0 ? -errno : 0;
		if (err == -EPERM && noatime) {
			noatime = 0;
			err = -EAGAIN;
		}
		if (base_may_try_again(b, err))
			err = -EAGAIN;
	} while (err == -EAGAIN || err == -EINTR);
	if (!err)
		*out = got;
	return err;
}

/*
 * By a descriptor that is open: the cached one, or the one that pins an
 * unlinked object.  -ENOENT: there is none.
 */
static int open_by_fd(struct base *b, struct inode *i, int flags, int *fd)
{
	struct base_fd *f = base_hold_open(b, i, BASE_PATH);
	int pin;
	int err;

	if (f) {
		err = open_again(b, base_fd_of(f), flags, fd);
		base_put(b, f);
		return err;
	}
	err = inode_pin_dup(b->itable, i, &pin);
	if (err)
		return err;
	/* Not a duplicate of the pin, which may be open for writing. */
	err = open_again(b, pin, flags, fd);
	close(pin);
	return err;
}

/* By the directory above if its descriptor is cached; -ENOENT: it is not. */
static int open_by_parent(struct base *b, struct inode *i, int flags, int *fd)
{
	char name[NAME_MAX + 1];
	struct base_fd *f;
	struct inode *parent;
	int err = inode_place(b->itable, i, &parent, name);

	if (err)
		return -ENOENT;
	f = base_hold_open(b, parent, BASE_PATH);
	err = f ? base_openat(b, base_fd_of(f), name, flags, fd) : -ENOENT;
	if (f)
		base_put(b, f);
	(void)inode_put(b->itable, parent);
	return err;
}

static int open_by_path(struct base *b, struct inode *i, int flags, int *fd)
{
	char *path;
	int err = inode_base_path(b->itable, i, &path);

	if (err)
		return err;
	err = open_path(b, path[0] ? path : (char[]){ "." }, flags, fd);
	free(path);
	return err;
}

/* Does the error say that the object is not at this place? */
static bool is_lost(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -ELOOP ||
	       err == -EXDEV || err == -ESTALE;
}

/*
 * -ESTALE if the descriptor's object is not the inode's.  Only a directory
 * must be on the base's device: an overlay file system reports other devices
 * for files.
 */
static int verify(struct base *b, const struct inode *i, int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_INO | STATX_BTIME, &stx) < 0)
		return -errno;
	only_file_show(b->only, &stx);
	if (!base_seems_to_be(b, i, &stx) ||
	    (S_ISDIR(stx.stx_mode) &&
	     makedev(stx.stx_dev_major, stx.stx_dev_minor) != b->dev))
		return -ESTALE;
	return 0;
}

int base_look(struct base *b, struct inode *i)
{
	int fd;
	int err;

	if (b->is_none)
		return i == itable_root(b->itable) ? 0 : -ESTALE;
	err = open_by_path(b, i, O_PATH, &fd);
	if (!err) {
		err = verify(b, i, fd);
		close(fd);
	}
	return is_lost(err) ? -ESTALE : err;
}

static int open_by_name(struct base *b, struct inode *i, int flags, int *fd)
{
	int got;
	int err = open_by_parent(b, i, flags, &got);

	if (!err && verify(b, i, got)) {
		close(got);
		err = -ESTALE;
	}
	if (err == -ENOENT || err == -ESTALE) {
		err = open_by_path(b, i, flags, &got);
		if (!err && verify(b, i, got)) {
			close(got);
			err = -ESTALE;
		}
	}
	if (!err)
		*fd = got;
	return err;
}

/* Was a move by this view under way at any time since `ended` was read? */
static bool was_moving(struct base *b, uint64_t ended)
{
	return atomic_load(&b->moves_begun) != ended;
}

/*
 * The object, by whatever leads to it, verified to be the inode's.  flags:
 * access mode, O_PATH, O_NONBLOCK, O_SYNC, O_DSYNC.
 */
static int open_inode(struct base *b, struct inode *i, int flags, int *fd)
{
	uint64_t ended;
	int err;

	for (int n = 1; n <= MOVE_WAITS; n++) {
		ended = atomic_load(&b->moves_ended);
		err = open_by_fd(b, i, flags, fd);
		/* -ENOENT also where /proc is not mounted. */
		if (err == -ENOENT)
			err = open_by_name(b, i, flags, fd);
		if (!is_lost(err))
			return err;
		if (!was_moving(b, ended))
			break;
		nanosleep(&(struct timespec){ .tv_nsec = n * MOVE_WAIT_NS },
			  NULL);
	}
	return -ESTALE;
}

void base_move_begin(struct base *b)
{
	atomic_fetch_add(&b->moves_begun, 1);
}

void base_move_end(struct base *b)
{
	atomic_fetch_add(&b->moves_ended, 1);
}

struct base_fd *base_hold_open(struct base *b, const struct inode *i,
			       enum base_want want)
{
	return fd_cache_get(b->fds, i->ino, want);
}

int base_hold(struct base *b, struct inode *i, enum base_want want,
	      struct base_fd **out)
{
	struct base_fd *f = base_hold_open(b, i, want);
	int fd;
	int err;

	if (f) {
		*out = f;
		return 0;
	}
	/* Opening a fifo or a device has an effect. */
	if (want == BASE_READ && !S_ISREG(i->type) && !S_ISDIR(i->type))
		return -EINVAL;
	err = open_inode(
		b, i, want == BASE_PATH ? O_PATH : O_RDONLY | O_NONBLOCK, &fd);
	return err ? err : fd_cache_add(b->fds, i->ino, want, fd, out);
}

void base_put(struct base *b, struct base_fd *f)
{
	fd_cache_put(b->fds, f);
}

void base_uncache(struct base *b, const struct inode *i)
{
	fd_cache_remove(b->fds, i->ino);
}

int base_reopen(struct base *b, struct inode *i, int flags, int *fd)
{
	struct base_fd *f;
	int err = base_hold(b, i, BASE_PATH, &f);

	if (err)
		return err;
	/* While it is held it is opened by this descriptor, not by a name. */
	err = open_inode(b, i, flags, fd);
	base_put(b, f);
	return err;
}

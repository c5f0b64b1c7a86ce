/* SPDX-License-Identifier: MIT */
/*
 * Objects are read by path, from a view that this process has opened or from a
 * mount.  Symbolic links are not followed: a path names an object of the tree
 * itself.
 */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/beneath.h"
#include "core/lib/path.h"
#include "tools/lib/viewdir.h"
#include "tools/lib/viewpath.h"

#define COPY_BYTES (256U << 10)

void diff_tree_fini(struct diff_tree *t)
{
	/* A view that is only read has nothing to sync. */
	(void)mapfs_view_close(t->v);
	if (t->fd >= 0)
		close(t->fd);
	*t = (struct diff_tree){ .fd = -1 };
}

/* --- a mount ----------------------------------------------------------- */

static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* A root that is a file is what every path names. */
static int open_root_file(int root, int flags)
{
	char path[PATH_OF_FD_BYTES];
	int fd;

	path_of_fd(root, path);
	fd = open(path, flags | O_CLOEXEC);
	/* Only the owner may use O_NOATIME. */
	if (fd < 0 && errno == EPERM)
		fd = open(path, (flags & ~O_NOATIME) | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_beneath(int root, const char *path, int flags)
{
	const char *name = *path ? path : ".";
	int fd;
	int err;

	/* Reading the base leaves its access times as they are [B1]. */
	if (!(flags & O_PATH))
		flags |= O_NOATIME;
	if (is_file(root))
		return open_root_file(root, flags);
	err = beneath_open_across_mounts(root, name, flags, &fd);
	return err ? err : fd;
}

static int list_mount(int root, const char *dir, diff_tree_fn fn, void *arg)
{
	int fd = open_beneath(root, dir, O_RDONLY | O_DIRECTORY);
	const struct dirent *e;
	int ret = 0;
	DIR *d;

	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d) {
		ret = -errno;
		close(fd);
		return ret;
	}
	while (!ret && (e = readdir(d))) {
		char *path = NULL;

		if (path_is_dot(e->d_name))
			continue;
		ret = path_join(&path, dir, e->d_name);
		if (!ret)
			ret = fn(arg, path, DTTOIF(e->d_type));
		free(path);
	}
	closedir(d);
	return ret;
}

/* --- a view ------------------------------------------------------------ */

/* Copies everything but the holes, so that a sparse file stays small. */
static int copy_out(struct mapfs_view *v, const struct mapfs_attr *attr,
		    FILE *to)
{
	char *buf = malloc(COPY_BYTES);
	uint64_t off = 0;
	int err = buf ? 0 : -ENOMEM;

	while (!err) {
		ssize_t n;

		err = mapfs_lseek(v, mapfs_file_of(attr->ino), off, SEEK_DATA,
				  &off);
		if (err)
			break;
		n = mapfs_read(v, mapfs_file_of(attr->ino), buf, COPY_BYTES,
			       off);
		if (n <= 0) {
			err = (int)n;
			break;
		}
		if (fseeko(to, (off_t)off, SEEK_SET) < 0 ||
		    fwrite(buf, 1, (size_t)n, to) != (size_t)n)
			err = -errno;
		off += (uint64_t)n;
	}
	if (err == -ENXIO) /* no data behind `off` */
		err = 0;
	if (!err &&
	    (fflush(to) || ftruncate(fileno(to), (off_t)attr->size_bytes) < 0))
		err = -errno;
	free(buf);
	return err;
}

static int read_view(struct mapfs_view *v, const char *path, int *fd)
{
	struct mapfs_entry e;
	FILE *copy;
	int err = viewpath_lookup(v, path, &e);

	if (err)
		return err;
	copy = tmpfile();
	if (copy) {
		err = copy_out(v, &e.attr, copy);
		if (!err) {
			rewind(copy);
			*fd = fcntl(fileno(copy), F_DUPFD_CLOEXEC, 3);
			err = *fd < 0 ? -errno : 0;
		}
		fclose(copy);
	} else {
		err = -errno;
	}
	viewpath_put(v, &e);
	return err;
}

static int list_view(struct mapfs_view *v, const char *dir, diff_tree_fn fn,
		     void *arg)
{
	struct mapfs_entry e;
	struct viewdir d;
	int err = viewpath_lookup(v, dir, &e);

	if (err)
		return err;
	err = viewdir_read(&d, v, e.attr.ino);
	viewpath_put(v, &e);
	if (err)
		return err;
	for (size_t i = 0; i < d.count && !err; i++) {
		char *path = NULL;

		err = path_join(&path, dir, d.names[i].name);
		if (!err)
			err = fn(arg, path, d.names[i].type);
		free(path);
	}
	viewdir_fini(&d);
	return err;
}

/* --- either ------------------------------------------------------------ */

ssize_t diff_tree_peek(const struct diff_tree *t, const char *path, char *buf,
		       size_t len)
{
	struct mapfs_entry e;
	ssize_t n;
	int fd;

	if (t->v) {
		n = viewpath_lookup(t->v, path, &e);
		if (n)
			return n;
		n = mapfs_read(t->v, mapfs_file_of(e.attr.ino), buf, len, 0);
		viewpath_put(t->v, &e);
		return n;
	}
	fd = open_beneath(t->fd, path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	n = pread(fd, buf, len, 0);
	if (n < 0)
		n = -errno;
	close(fd);
	return n;
}

int diff_tree_read(const struct diff_tree *t, const char *path, int *fd)
{
	if (t->v)
		return read_view(t->v, path, fd);
	*fd = open_beneath(t->fd, path, O_RDONLY | O_NONBLOCK);
	return *fd < 0 ? *fd : 0;
}

ssize_t diff_tree_readlink(const struct diff_tree *t, const char *path,
			   char *buf)
{
	struct mapfs_entry e;
	ssize_t n;
	int fd;

	if (t->v) {
		n = viewpath_lookup(t->v, path, &e);
		if (n)
			return n;
		n = mapfs_readlink(t->v, e.attr.ino, buf, PATH_MAX - 1);
		viewpath_put(t->v, &e);
	} else {
		fd = open_beneath(t->fd, path, O_PATH);
		if (fd < 0)
			return fd;
		n = readlinkat(fd, "", buf, PATH_MAX - 1);
		if (n < 0)
			n = -errno;
		close(fd);
	}
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

int diff_tree_list(const struct diff_tree *t, const char *dir, diff_tree_fn fn,
		   void *arg)
{
	return t->v ? list_view(t->v, dir, fn, arg) :
		      list_mount(t->fd, dir, fn, arg);
}

/* SPDX-License-Identifier: MIT */
#include "only_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/lib/path.h"

bool only_file_is_one(mode_t mode)
{
	return S_ISREG(mode) || S_ISBLK(mode);
}

int only_file_open_above(const char *path, int *fd)
{
	const char *name = strrchr(path, '/');
	char *above = strndup(path, name == path ? 1 : (size_t)(name - path));
	int got;

	if (!above)
		return -ENOMEM;
	got = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(above);
	if (got < 0)
		return -errno;
	*fd = got;
	return 0;
}

/*
 * By the descriptor.  O_NOFOLLOW would open the link in /proc instead of the
 * file.
 */
static int open_once(const struct only_file *f, int flags, int *fd)
{
	char path[PATH_OF_FD_BYTES];
	int got;

	path_of_fd(f->fd, path);
	do {
		got = open(path, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	*fd = got;
	return 0;
}

int only_file_openat(const struct only_file *f, const char *name, int flags,
		     int *fd)
{
	int err;

	if (strcmp(name, f->name) != 0)
		return -ENOENT;
	err = open_once(f, flags, fd);
	if (err == -EPERM && (flags & O_NOATIME))
		err = open_once(f, flags & ~O_NOATIME, fd);
	return err;
}

/* The size of a device is known to those who may read it. */
static int learn_device(struct only_file *f)
{
	int fd = -1;
	int err = open_once(f, O_RDONLY | O_NONBLOCK, &fd);

	if (err)
		return err;
	if (ioctl(fd, BLKGETSIZE64, &f->device_bytes) < 0)
		err = -errno;
	close(fd);
	return err;
}

int only_file_open(struct only_file **out, const char *path, int fd)
{
	struct only_file *f = calloc(1, sizeof(*f));
	struct stat st;
	int err = 0;

	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	f->fd = fd;
	f->name = strdup(strrchr(path, '/') + 1);
	if (!f->name)
		err = -ENOMEM;
	else if (fstat(fd, &st) < 0)
		err = -errno;
	if (!err) {
		f->is_device = S_ISBLK(st.st_mode);
		if (f->is_device)
			err = learn_device(f);
	}
	if (err) {
		only_file_close(f);
		return err;
	}
	*out = f;
	return 0;
}

void only_file_close(struct only_file *f)
{
	if (!f)
		return;
	close(f->fd);
	free(f->name);
	free(f);
}

void only_file_show(const struct only_file *f, struct statx *stx)
{
	if (!f || !S_ISBLK(stx->stx_mode))
		return;
	stx->stx_mode = (uint16_t)((stx->stx_mode & ~S_IFMT) | S_IFREG);
	stx->stx_size = f->device_bytes;
	stx->stx_blocks = f->device_bytes / 512;
	stx->stx_nlink = 1;
	stx->stx_rdev_major = 0;
	stx->stx_rdev_minor = 0;
}

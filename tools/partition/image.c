/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a path leads to, if it is not an image; or NULL. */
static const char *other_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFBLK:
		return NULL;
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a character device";
	}
}

static int image_judge(const char *path, const struct stat *st,
		       struct reason *why)
{
	const char *kind = other_kind(st->st_mode);

	if (!kind)
		return 0;
	reason_set(why,
		   "%s: is %s, not a disk image; name a file or a block device",
		   path, kind);
	return -EINVAL;
}

/*
 * The type is judged before, because opening a device may do something, and
 * once more afterwards, because the path may lead to another object by then:
 * O_NONBLOCK opens a FIFO without waiting for its writer.
 */
static int image_open_fd(const char *path, struct reason *why)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct stat st;
	int err;
	int fd;

	if (stat(path, &st) < 0)
		goto fail;
	err = image_judge(path, &st, why);
	if (err)
		return err;
	fd = open(path, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = open(path, flags);
	if (fd >= 0)
		return fd;
fail:
	err = -errno;
	reason_set(why, "%s: %s", *path ? path : "''", reason_of(err));
	return err;
}

static int image_measure(struct image *im, const struct stat *st)
{
	int sector = 0;

	if (S_ISREG(st->st_mode)) {
		im->size_bytes = (uint64_t)st->st_size;
		return 0;
	}
	if (ioctl(im->fd, BLKGETSIZE64, &im->size_bytes) < 0 ||
	    ioctl(im->fd, BLKSSZGET, &sector) < 0)
		return -errno;
	im->sector_bytes = (unsigned int)sector;
	return 0;
}

int image_open(struct image *out, const char *path, struct reason *why)
{
	struct image im = { .path = path };
	struct stat st;
	int err;

	im.fd = image_open_fd(path, why);
	if (im.fd < 0)
		return im.fd;
	err = fstat(im.fd, &st) < 0 ? -errno : image_judge(path, &st, why);
	if (!err)
		err = image_measure(&im, &st);
	if (!err && im.size_bytes == 0) {
		reason_set(why,
			   "%s: is empty, so it has no partitions; name a disk "
			   "image",
			   path);
		err = -EINVAL;
	}
	if (!err) {
		*out = im;
		return 0;
	}
	if (reason_is_empty(why))
		reason_set(why, "%s: %s", path, reason_of(err));
	close(im.fd);
	return err;
}

void image_close(struct image *im)
{
	close(im->fd);
	im->fd = -1;
}

bool image_read(const struct image *im, void *buf, size_t len, uint64_t off)
{
	char *to = buf;

	while (len > 0) {
		ssize_t n = pread(im->fd, to, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		to += n;
		len -= (size_t)n;
		off += (size_t)n;
	}
	return true;
}

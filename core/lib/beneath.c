/* SPDX-License-Identifier: MIT */
#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RESOLVE_INSIDE \
	(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)

static int open_inside(int dirfd, const char *path, int flags, uint64_t resolve,
		       int *fd)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC |
						  O_NOFOLLOW),
		.mode = flags & O_CREAT ? 0600 : 0,
		.resolve = resolve,
	};
	int got;
	int err;

	do {
		got = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		err = got < 0 ? -errno : 0;
		if (err == -EPERM && (how.flags & O_NOATIME)) {
			how.flags &= ~(uint64_t)O_NOATIME;
			err = -EAGAIN;
		}
	} while (err == -EINTR || err == -EAGAIN);
	if (!err)
		*fd = got;
	return err;
}

int beneath_open(int dirfd, const char *path, int flags, int *fd)
{
	return open_inside(dirfd, path, flags, RESOLVE_INSIDE | RESOLVE_NO_XDEV,
			   fd);
}

int beneath_open_across_mounts(int dirfd, const char *path, int flags, int *fd)
{
	return open_inside(dirfd, path, flags, RESOLVE_INSIDE, fd);
}

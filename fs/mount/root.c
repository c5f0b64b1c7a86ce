/* SPDX-License-Identifier: MIT */
/*
 * After an unmount the path may lead to anything, a FIFO too, which must not
 * make the caller wait for a writer.
 */
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int root_open(const char *path, dev_t dev, int *out)
{
	struct stat st;
	int err = 0;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (st.st_dev != dev)
		err = -EXDEV;
	if (err)
		close(fd);
	else
		*out = fd;
	return err;
}

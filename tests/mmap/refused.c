/* SPDX-License-Identifier: MIT */
/*
 * refused FILE
 *
 * What mmap(2) refuses, with its errno; the directory of FILE cannot be mapped
 * either.
 */
#include <libgen.h>
#include <stdint.h>

#include "check.h"

static void refuse(int fd, size_t len, int prot, int error)
{
	void *p = mmap(NULL, len, prot, MAP_SHARED, fd, 0);

	if (p != MAP_FAILED)
		errx(1, "mmap succeeded instead of: %s", strerror(error));
	if (errno != error)
		err(1, "mmap should fail with \"%s\"", strerror(error));
}

int main(int argc, char **argv)
{
	char *path = argv[argc - 1];
	int fd = check_open(path, O_RDONLY);
	int dir, ends[2];
	char *map;

	refuse(fd, 0, PROT_READ, EINVAL);
	refuse(fd, SIZE_MAX / 2, PROT_READ, ENOMEM);
	refuse(fd, PAGE, PROT_READ | PROT_WRITE, EACCES);
	map = check_map(fd, PAGE, PROT_READ, MAP_SHARED);
	assert(mprotect(map, PAGE, PROT_READ | PROT_WRITE) == -1);
	assert(errno == EACCES);
	assert(pipe(ends) == 0);
	refuse(ends[0], PAGE, PROT_READ, ENODEV);
	refuse(ends[1], PAGE, PROT_WRITE, EACCES);
	dir = check_open(dirname(path), O_RDONLY | O_DIRECTORY);
	refuse(dir, PAGE, PROT_READ, ENODEV);
	close(fd);
	refuse(fd, PAGE, PROT_READ, EBADF);
	return 0;
}

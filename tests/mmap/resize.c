/* SPDX-License-Identifier: MIT */
/*
 * resize FILE [fixed]
 *
 * A map grows with its file: ftruncate, then mremap. fixed: the size of the
 * file cannot change.
 */
#include "check.h"

#define MORE (8 * PAGE)

static char *remap(char *map, size_t from, size_t to)
{
	void *p = mremap(map, from, to, MREMAP_MAYMOVE);

	if (p == MAP_FAILED)
		err(1, "mremap from %zu to %zu bytes", from, to);
	return p;
}

static void check_fixed(int fd, char *map, size_t len)
{
	assert(ftruncate(fd, (off_t)(len + MORE)) == -1 && errno == EPERM);
	assert(ftruncate(fd, (off_t)PAGE) == -1 && errno == EPERM);
	assert(check_size(fd) == len);
	map[len - 1] = 'f';
}

static void check_growth(int fd, char *map, size_t len)
{
	char *bytes = check_read(fd, len);

	memcpy(map, "begin", 5);
	if (ftruncate(fd, (off_t)(len + MORE)) != 0)
		err(1, "ftruncate");
	map = remap(map, len, len + MORE);
	assert(memcmp(map, "begin", 5) == 0);
	assert(memcmp(map + 5, bytes + 5, len - 5) == 0);
	for (size_t at = len; at < len + MORE; at++)
		assert(map[at] == 0);
	memcpy(map + len + MORE - 5, "grown", 5);
	assert(msync(map, len + MORE, MS_SYNC) == 0);
	assert(check_size(fd) == len + MORE);
	/* Smaller again: first the map, then the file. */
	map = remap(map, len + MORE, PAGE);
	if (ftruncate(fd, (off_t)PAGE) != 0)
		err(1, "ftruncate");
	assert(memcmp(map, "begin", 5) == 0);
	assert(memcmp(map + 5, bytes + 5, PAGE - 5) == 0);
	assert(check_size(fd) == PAGE);
	munmap(map, PAGE);
	free(bytes);
}

int main(int argc, char **argv)
{
	int fd = check_open(argc > 1 ? argv[1] : "", O_RDWR);
	size_t len = check_size(fd);
	char *map = check_map(fd, len, PROT_READ | PROT_WRITE, MAP_SHARED);

	if (argc > 2)
		check_fixed(fd, map, len);
	else
		check_growth(fd, map, len);
	close(fd);
	return 0;
}

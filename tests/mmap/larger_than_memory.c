/* SPDX-License-Identifier: MIT */
/*
 * larger_than_memory FILE
 *
 * A file of more bytes than memory, nearly all of them holes, is mapped as a
 * whole; pages at both ends, and between, are touched, given up and read again.
 */
#include <stdint.h>

#include "check.h"

#define PLACES 64U

static void touch(char *map, size_t len, unsigned int round)
{
	for (size_t i = 0; i < PLACES; i++) {
		uint32_t *at = (void *)(map + len / PLACES * i / PAGE * PAGE);

		*at = (uint32_t)(i + round);
	}
	map[len - 1] = (char)round;
}

static void check(char *map, size_t len, unsigned int round)
{
	for (size_t i = 0; i < PLACES; i++) {
		size_t page = len / PLACES * i / PAGE * PAGE;
		const uint32_t *at = (const void *)(map + page);

		assert(*at == i + round);
		assert(map[page + PAGE - 1] == 0);
	}
	assert(map[len - 1] == (char)round);
}

int main(int argc, char **argv)
{
	int fd = check_open(argv[argc - 1], O_RDWR);
	size_t len = check_size(fd);
	size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * PAGE;
	char *map = check_map(fd, len, PROT_READ | PROT_WRITE, MAP_SHARED);

	assert(len > memory);
	for (unsigned int round = 1; round <= 3; round++) {
		touch(map, len, round);
		assert(msync(map, len, MS_SYNC) == 0);
		/* Out of the map, and, as far as possible, of the cache. */
		assert(madvise(map, len, MADV_DONTNEED) == 0);
		assert(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
		check(map, len, round);
	}
	munmap(map, len);
	close(fd);
	return 0;
}

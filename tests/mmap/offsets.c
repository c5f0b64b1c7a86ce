/* SPDX-License-Identifier: MIT */
/*
 * offsets FILE
 *
 * A map of a part begins at a multiple of the page size, which is what Python
 * calls ALLOCATIONGRANULARITY.
 */
#include "check.h"

static char *map_part(int fd, size_t offset, size_t len)
{
	return mmap(NULL, len, PROT_READ, MAP_SHARED, fd, (off_t)offset);
}

/* Any range: the map begins at the page below it. */
static void check_range(int fd, const char *bytes, size_t offset, size_t len)
{
	size_t before = offset % PAGE;
	char *map = map_part(fd, offset - before, before + len);

	assert(map != MAP_FAILED);
	assert(memcmp(map + before, bytes + offset, len) == 0);
	munmap(map, before + len);
}

/* The pages of the file in reverse order, side by side in memory. */
static void check_reversed(int fd, const char *bytes, size_t pages)
{
	char *area = mmap(NULL, pages * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert(area != MAP_FAILED);
	for (size_t i = 0; i < pages; i++) {
		off_t offset = (off_t)((pages - 1 - i) * PAGE);
		char *at = mmap(area + i * PAGE, PAGE, PROT_READ,
				MAP_SHARED | MAP_FIXED, fd, offset);

		assert(at == area + i * PAGE);
	}
	for (size_t i = 0; i < pages; i++) {
		assert(memcmp(area + i * PAGE, bytes + (pages - 1 - i) * PAGE,
			      PAGE) == 0);
	}
	munmap(area, pages * PAGE);
}

int main(int argc, char **argv)
{
	int fd = check_open(argv[argc - 1], O_RDONLY);
	size_t len = check_size(fd);
	char *bytes = check_read(fd, len);

	for (size_t offset = 0; offset < len; offset += PAGE) {
		size_t rest = len - offset;

		check_range(fd, bytes, offset, rest < PAGE ? rest : PAGE);
	}
	check_range(fd, bytes, 1, 10);
	check_range(fd, bytes, PAGE - 5, PAGE + 10);
	check_range(fd, bytes, len - 10, 10);
	check_reversed(fd, bytes, len / PAGE);
	assert(map_part(fd, 1, 10) == MAP_FAILED && errno == EINVAL);
	assert(map_part(fd, PAGE + 512, 10) == MAP_FAILED && errno == EINVAL);
	free(bytes);
	close(fd);
	return 0;
}

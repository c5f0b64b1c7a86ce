/* SPDX-License-Identifier: MIT */
/*
 * private FILE
 *
 * MAP_PRIVATE: a store makes a copy of its page, which belongs to the process,
 * and after fork to each of the two.
 */
#include "check.h"

int main(int argc, char **argv)
{
	int fd = check_open(argv[argc - 1], O_RDONLY);
	size_t len = check_size(fd);
	char *bytes = check_read(fd, len);
	/* A descriptor for reading is enough. */
	char *map = check_map(fd, len, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *shared = check_map(fd, len, PROT_READ, MAP_SHARED);
	char *again;
	pid_t pid;

	memcpy(map + PAGE - 3, "parent", 6);
	assert(memcmp(map + PAGE - 3, "parent", 6) == 0);
	pid = fork();
	if (pid == 0) {
		assert(memcmp(map + PAGE - 3, "parent", 6) == 0);
		memcpy(map + PAGE - 3, "child ", 6);
		memset(map + 2 * PAGE, 0, PAGE);
		_exit(0);
	}
	check_wait(pid);
	assert(memcmp(map + PAGE - 3, "parent", 6) == 0);
	assert(memcmp(map + 2 * PAGE, bytes + 2 * PAGE, PAGE) == 0);
	/* msync has nothing to write here. */
	assert(msync(map, len, MS_SYNC) == 0);
	assert(memcmp(shared, bytes, len) == 0);
	again = check_read(fd, len);
	assert(memcmp(again, bytes, len) == 0);
	/* Copies that are given up show the file again. */
	assert(madvise(map, len, MADV_DONTNEED) == 0);
	assert(memcmp(map, bytes, len) == 0);
	free(again);
	free(bytes);
	close(fd);
	return 0;
}

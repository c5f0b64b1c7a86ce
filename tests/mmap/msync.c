/* SPDX-License-Identifier: MIT */
/*
 * msync FILE
 *
 * Several processes, each with a map of its own, store into the same pages and
 * call msync. Once msync has returned, another descriptor reads the bytes, and
 * no store of a neighbour is lost.
 */
#include "check.h"

#define PROCESSES 4U
#define ROUNDS 12U

/* Process `me` owns every byte at me, me + PROCESSES, ... */
static void work(const char *path, unsigned int me)
{
	int fd = check_open(path, O_RDWR);
	int reader = check_open(path, O_RDONLY);
	size_t len = check_size(fd);
	char *map = check_map(fd, len, PROT_READ | PROT_WRITE, MAP_SHARED);

	for (unsigned int n = 1; n <= ROUNDS; n++) {
		int how = n % 3 == 0 ? MS_ASYNC : MS_SYNC;
		char value = (char)(n * PROCESSES + me);
		char *bytes;

		for (size_t at = me; at < len; at += PROCESSES)
			map[at] = value;
		/* Alternately the whole map and its second page. */
		if (msync(n % 2 ? map : map + PAGE, n % 2 ? len : PAGE, how) !=
		    0)
			err(1, "msync");
		bytes = check_read(reader, len);
		for (size_t at = me; at < len; at += PROCESSES)
			assert(bytes[at] == value && map[at] == value);
		free(bytes);
	}
	munmap(map, len);
}

int main(int argc, char **argv)
{
	const char *path = argv[argc - 1];
	int fd = check_open(path, O_RDWR);
	size_t len = check_size(fd);
	pid_t pids[PROCESSES];
	char *bytes;

	for (unsigned int me = 0; me < PROCESSES; me++) {
		pids[me] = fork();
		if (pids[me] < 0)
			err(1, "fork");
		if (pids[me] == 0) {
			work(path, me);
			_exit(0);
		}
	}
	for (unsigned int me = 0; me < PROCESSES; me++)
		check_wait(pids[me]);
	bytes = check_read(fd, len);
	for (size_t at = 0; at < len; at++)
		assert(bytes[at] ==
		       (char)(ROUNDS * PROCESSES + at % PROCESSES));
	free(bytes);
	close(fd);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * fork FILE
 *
 * Maps over fork: parent and children count in an anonymous map and in one of
 * the file, with atomic operations.
 */
#include <stdatomic.h>

#include "check.h"

#define CHILDREN 4
#define ROUNDS 10000U

int main(int argc, char **argv)
{
	int fd = check_open(argv[argc - 1], O_RDWR);
	int prot = PROT_READ | PROT_WRITE;
	int anonymous = MAP_SHARED | MAP_ANONYMOUS;
	atomic_uint *in_memory = (void *)check_map(-1, PAGE, prot, anonymous);
	atomic_uint *in_file = (void *)check_map(fd, PAGE, prot, MAP_SHARED);
	unsigned int *own =
		(void *)check_map(-1, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS);
	unsigned int first;
	pid_t pids[CHILDREN];

	atomic_store(in_file, 0);
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			err(1, "fork");
		if (pids[i] != 0)
			continue;
		for (unsigned int n = 0; n < ROUNDS; n++) {
			atomic_fetch_add(in_memory, 1);
			atomic_fetch_add(in_file, 1);
			*own += 1;
		}
		_exit(0);
	}
	for (int i = 0; i < CHILDREN; i++)
		check_wait(pids[i]);
	assert(atomic_load(in_memory) == CHILDREN * ROUNDS);
	assert(atomic_load(in_file) == CHILDREN * ROUNDS);
	assert(*own == 0);
	assert(pread(fd, &first, sizeof(first), 0) == sizeof(first));
	assert(first == CHILDREN * ROUNDS);
	close(fd);
	return 0;
}

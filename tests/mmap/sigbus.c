/* SPDX-License-Identifier: MIT */
/*
 * sigbus FILE
 *
 * A map may be longer than its file. The rest of the file's last page is zero,
 * and each page behind it raises SIGBUS.
 */
#include "check.h"
#include "fault.h"

int main(int argc, char **argv)
{
	int fd = check_open(argv[argc - 1], O_RDONLY);
	size_t len = check_size(fd);
	size_t end = (len + PAGE - 1) / PAGE * PAGE;
	int prots[] = { PROT_READ, PROT_READ | PROT_WRITE };
	int flags[] = { MAP_SHARED, MAP_PRIVATE };

	assert(len % PAGE != 0);
	for (size_t i = 0; i < 2; i++) {
		char *map = check_map(fd, end + 3 * PAGE, prots[i], flags[i]);

		assert(!fault_on_read(map) && !fault_on_read(map + len - 1));
		for (size_t at = len; at < end; at++)
			assert(map[at] == 0);
		assert(fault_on_read(map + end));
		assert(fault_on_read(map + end + 3 * PAGE - 1));
		/* A page that is not there cannot be copied either. */
		if (prots[i] & PROT_WRITE)
			assert(fault_on_store(map + end));
		/* The map works as before. */
		assert(!fault_on_read(map + end - 1));
		munmap(map, end + 3 * PAGE);
	}
	close(fd);
	return 0;
}

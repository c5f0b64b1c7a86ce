/* SPDX-License-Identifier: MIT */
/*
 * sigbus_shrunk FILE [fixed]
 *
 * Another process changes the size of a mapped file: pages behind the new end
 * raise SIGBUS, and work again, with zeros, once the file has grown. What is
 * stored between the end and the end of its page never gets into the file.
 *
 * fixed: the size cannot change, so that every page stays.
 */
#include "check.h"
#include "fault.h"

/* From another process, through a descriptor of its own. */
static int truncate_elsewhere(const char *path, size_t len)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(truncate(path, (off_t)len) == 0 ? 0 : errno);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		errx(1, "truncate elsewhere");
	return WEXITSTATUS(status);
}

static void check_fixed(const char *path, char *map, size_t len)
{
	assert(truncate_elsewhere(path, PAGE) == EPERM);
	assert(truncate_elsewhere(path, len + PAGE) == EPERM);
	assert(!fault_on_store(map + len - 1));
}

static void check_shrunk(const char *path, char *map, size_t len)
{
	char last = map[2 * PAGE + 99];

	assert(last != 0);
	assert(truncate_elsewhere(path, 2 * PAGE + 100) == 0);
	assert(fault_on_read(map + 3 * PAGE));
	assert(fault_on_store(map + len - 1));
	assert(map[2 * PAGE + 99] == last && map[2 * PAGE + 100] == 0);
	/* In the file's last page, behind its end. */
	assert(!fault_on_store(map + 2 * PAGE + 200));
	assert(msync(map, 3 * PAGE, MS_SYNC) == 0);

	assert(truncate_elsewhere(path, len) == 0);
	assert(map[2 * PAGE + 99] == last);
	for (size_t at = 2 * PAGE + 100; at < len; at++)
		assert(map[at] == 0);
	assert(!fault_on_store(map + 3 * PAGE));
	assert(!fault_on_store(map + len - 1));
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "";
	int fd = check_open(path, O_RDWR);
	size_t len = check_size(fd);
	char *map = check_map(fd, len, PROT_READ | PROT_WRITE, MAP_SHARED);
	char *bytes;

	assert(len > 4 * PAGE);
	if (argc > 2)
		check_fixed(path, map, len);
	else
		check_shrunk(path, map, len);
	bytes = check_read(fd, len);
	assert(memcmp(bytes, map, len) == 0);
	free(bytes);
	close(fd);
	return 0;
}

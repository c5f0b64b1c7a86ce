/* SPDX-License-Identifier: MIT */
/*
 * What every program here begins with: its file, and a child for its other
 * process. Each of them ends the program with a message when it fails, and
 * everything else is plain system calls.
 *
 * Lifetime: a descriptor belongs to the caller.
 * Errors:   none is returned. A system call that fails ends the program with
 *           status 1 and errno's text, which the tests read; what is not as it
 *           should be ends it by assert().
 * Locking:  none.
 */
#ifndef MAPFS_TESTS_MMAP_CHECK_H
#define MAPFS_TESTS_MMAP_CHECK_H

#include <assert.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

static inline int check_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		err(1, "open %s", path);
	return fd;
}

static inline size_t check_size(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		err(1, "fstat");
	return (size_t)st.st_size;
}

/* Maps from the start. */
static inline char *check_map(int fd, size_t len, int prot, int flags)
{
	void *p = mmap(NULL, len, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		err(1, "mmap of %zu bytes", len);
	return p;
}

/* The bytes of the file as read(2) gives them; the caller frees them. */
static inline char *check_read(int fd, size_t len)
{
	char *bytes = malloc(len);

	if (!bytes || pread(fd, bytes, len, 0) != (ssize_t)len)
		err(1, "read of %zu bytes", len);
	return bytes;
}

/* Waits for a child, which must exit with 0. */
static inline void check_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	if (status != 0)
		errx(1, "a child ended with status %#x", (unsigned int)status);
}

#endif

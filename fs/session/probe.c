/* SPDX-License-Identifier: MIT */
/*
 * A child process without the connection to the kernel accesses the mount.  A
 * thread of the daemon that waited for an answer of the daemon could not be
 * killed, and would keep the connection open, which nothing else could end.
 */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/mount/root.h"

static struct probe access_mount(const char *mountpoint)
{
	struct probe p = { 0 };
	struct stat st;
	int fd;

	if (stat(mountpoint, &st) < 0) {
		p.err = -errno;
		return p;
	}
	p.dev = st.st_dev;
	if (root_open(mountpoint, p.dev, &fd) == 0)
		close(fd);
	return p;
}

/* A child of a process with threads makes system calls only. */
_Noreturn static void probe_child(const char *mountpoint, int out)
{
	struct probe p;

	close_range(0, (unsigned int)out - 1, 0);
	close_range((unsigned int)out + 1, ~0U, 0);
	p = access_mount(mountpoint);
	_exit(write(out, &p, sizeof(p)) == (ssize_t)sizeof(p) ? 0 : 1);
}

struct probe probe_mount(const char *mountpoint)
{
	struct probe p = { .err = -EIO };
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return (struct probe){ .err = -errno };
	pid = fork();
	if (pid == 0)
		probe_child(mountpoint, fds[1]);
	if (pid < 0)
		p.err = -errno;
	close(fds[1]);
	if (pid > 0) {
		if (read(fds[0], &p, sizeof(p)) != (ssize_t)sizeof(p))
			p = (struct probe){ .err = -EIO };
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(fds[0]);
	return p;
}

/* SPDX-License-Identifier: MIT */
/*
 * fusermount3 tells why it failed in words only; they are compared here and
 * nowhere else.
 */
#include "unmount.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Reads to the end; what does not fit is read and dropped. */
static void read_words(int fd, char *said, size_t said_bytes)
{
	size_t have = 0;
	char part[256];
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0) {
		size_t room = said_bytes - 1 - have;
		size_t take = (size_t)n < room ? (size_t)n : room;

		memcpy(said + have, part, take);
		have += take;
	}
	said[have] = '\0';
}

/* Runs argv[0]; its exit status, or a negative errno. */
static int run(char *const argv[], char *said, size_t said_bytes)
{
	posix_spawn_file_actions_t actions;
	int status = 0;
	int fds[2];
	pid_t pid;
	int err;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
	err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (!err) {
		read_words(fds[0], said, said_bytes);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(fds[0]);
	if (err)
		return -err;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

static int run_fusermount(const char *path, bool lazy, char *said,
			  size_t said_bytes)
{
	/* Saying -u twice changes nothing. */
	char *argv[] = {
		(char *)"fusermount3",
		(char *)"-u",
		lazy ? (char *)"-z" : (char *)"-u",
		(char *)"--",
		(char *)path,
		NULL,
	};
	int status = run(argv, said, said_bytes);

	if (status == -ENOENT) {
		/* A service may have no PATH. */
		argv[0] = (char *)"/usr/bin/fusermount3";
		status = run(argv, said, said_bytes);
	}
	if (status <= 0)
		return status;
	if (strstr(said, "busy"))
		return -EBUSY;
	if (strstr(said, "not found in") || strstr(said, "not permitted"))
		return -EPERM;
	return -EIO;
}

int unmount_path(const char *path, bool lazy, char *said, size_t said_bytes)
{
	said[0] = '\0';
	if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	return run_fusermount(path, lazy, said, said_bytes);
}

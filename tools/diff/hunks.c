/* SPDX-License-Identifier: MIT */
/*
 * Runs diff(1), whose output patch(1) was made for.
 */
#include "hunks.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Descriptors of diff(1).  The old file, which may be one of the base, is its
 * standard input: a name below /dev/fd would be opened a second time, without
 * O_NOATIME, and change the access time.
 */
#define OLD_FD STDIN_FILENO
#define NEW_FD 14  /* above the numbers that programs expect */
#define FREE_FD 20 /* the least number of a copy */

/* Copies everything behind the two lines that name the files. */
static int copy_hunks(FILE *from, const char *head, bool *found)
{
	char buf[65536];
	unsigned int lines = 0;
	size_t n;
	int c;

	while (lines < 2 && (c = getc(from)) != EOF)
		lines += c == '\n';
	*found = lines == 2;
	if (*found)
		fputs(head, stdout);
	while ((n = fread(buf, 1, sizeof(buf), from)) > 0)
		fwrite(buf, 1, n, stdout);
	return ferror(from) ? -EIO : 0;
}

static int add_file(posix_spawn_file_actions_t *actions, int *fd, int to)
{
	if (*fd < 0)
		return 0;
	*fd = fcntl(*fd, F_DUPFD_CLOEXEC, FREE_FD);
	if (*fd < 0)
		return -errno;
	return -posix_spawn_file_actions_adddup2(actions, *fd, to);
}

static int start_diff(int old_fd, int new_fd, int out, pid_t *pid)
{
	char *const argv[] = {
		"diff",
		"-a",
		"-u",
		"--label",
		"a",
		"--label",
		"b",
		"--",
		old_fd < 0 ? "/dev/null" : "-",
		new_fd < 0 ? "/dev/null" : "/dev/fd/14",
		NULL,
	};
	char *const env[] = { "LC_ALL=C", "PATH=/usr/local/bin:/usr/bin:/bin",
			      NULL };
	posix_spawn_file_actions_t actions;
	int err = -posix_spawn_file_actions_init(&actions);

	if (err)
		return err;
	/* This is the first action: `out` may be OLD_FD or NEW_FD. */
	err = -posix_spawn_file_actions_adddup2(&actions, out, 1);
	if (!err)
		err = add_file(&actions, &old_fd, OLD_FD);
	if (!err)
		err = add_file(&actions, &new_fd, NEW_FD);
	if (!err)
		err = -posix_spawnp(pid, "diff", &actions, NULL, argv, env);
	if (old_fd >= FREE_FD)
		close(old_fd);
	if (new_fd >= FREE_FD)
		close(new_fd);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

/* diff(1) must have printed hunks exactly if it found a difference. */
static int wait_for(pid_t pid, bool found)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == found ? 0 : -EIO;
}

int diff_hunks_print(int old_fd, int new_fd, const char *head)
{
	bool found = false;
	int fds[2];
	pid_t pid;
	FILE *from;
	int ended;
	int err;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	err = start_diff(old_fd, new_fd, fds[1], &pid);
	close(fds[1]);
	if (err) {
		close(fds[0]);
		return err;
	}
	from = fdopen(fds[0], "r");
	if (from) {
		err = copy_hunks(from, head, &found);
		fclose(from);
	} else {
		err = -errno;
		close(fds[0]);
	}
	ended = wait_for(pid, found);
	return err ? err : ended;
}

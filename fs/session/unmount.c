/* SPDX-License-Identifier: MIT */
/*
 * fusermount3 prints why it failed, and has one exit status for all failures;
 * its words are compared in this file only.
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

#define MTAB "/etc/mtab: "

/* Reads to the end; the part that does not fit is dropped. */
static void read_words(int fd, struct reason *words)
{
	char part[256];
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0)
		reason_add(words, "%.*s", (int)n, part);
}

/* Runs argv[0]; returns its exit status, or a negative errno. */
static int run(char *const argv[], struct reason *words)
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
		read_words(fds[0], words);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(fds[0]);
	if (err)
		return -err;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

static int run_fusermount(const char *path, bool lazy, struct reason *words)
{
	/* A second -u has no effect. */
	char *argv[] = {
		(char *)"fusermount3",
		(char *)"-u",
		lazy ? (char *)"-z" : (char *)"-u",
		(char *)"--",
		(char *)path,
		NULL,
	};
	int status = run(argv, words);

	if (status == -ENOENT) {
		/* A system service may have no PATH. */
		argv[0] = (char *)"/usr/bin/fusermount3";
		status = run(argv, words);
	}
	if (status <= 0)
		return status;
	if (strstr(words->text, "busy"))
		return -EBUSY;
	if (strstr(words->text, "not found in") ||
	    strstr(words->text, "not permitted"))
		return -EPERM;
	return -EIO;
}

int unmount_path(const char *path, bool lazy, struct reason *words)
{
	reason_clear(words);
	if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	return run_fusermount(path, lazy, words);
}

/*
 * Asks fusermount3 to unmount a directory without a mount: it refuses in any
 * case, and its words tell whether it could read /etc/mtab.
 */
int unmount_is_possible(const char *dir, struct reason *why)
{
	struct reason words;
	const char *missing = NULL;

	if (unmount_path(dir, false, &words) == -EIO)
		missing = strstr(words.text, MTAB);
	if (!missing)
		return 0;
	missing += strlen(MTAB);
	reason_set(why,
		   MTAB
		   "%.*s, and without it fusermount3 cannot unmount a view "
		   "of an ordinary user; as root, make it with `ln -s "
		   "../proc/self/mounts /etc/mtab', or run mapfs as root",
		   (int)strcspn(missing, "\n"), missing);
	return -ENOENT;
}

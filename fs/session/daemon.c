/* SPDX-License-Identifier: MIT */
/*
 * The process forks before it has a thread, a descriptor or a lock of the
 * daemon.  The parent waits for messages of the child:
 *
 *    'W' sentence, newline   a warning, at most one, before all others
 *    'M'            mounted; the next message must follow within seconds
 *    'R'            the mount answers: success
 *    'E' sentence   failed
 *    end of file    the child died
 *
 * The parent never accesses the mount: if the daemon hangs, the parent would
 * hang, too.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server.h"
#include "unmount.h"

#define ANSWER_MS 15000
#define READY_FD 3
#define FUSE_FD 4

/* Closes all other descriptors of the caller: some may be locks or pipes. */
static void keep_descriptors(struct fs_options *opt, int ready_fd)
{
	int last = READY_FD;

	/* Moved out of the way: each may have the final number of the other. */
	ready_fd = fcntl(ready_fd, F_DUPFD_CLOEXEC, FUSE_FD + 1);
	if (opt->fuse_fd >= 0) {
		dup3(opt->fuse_fd, FUSE_FD, O_CLOEXEC);
		opt->fuse_fd = FUSE_FD;
		last = FUSE_FD;
	}
	dup3(ready_fd, READY_FD, O_CLOEXEC);
	close_range((unsigned int)last + 1, ~0U, 0);
}

/* The caller may block signals that the daemon needs, SIGUSR1 above all. */
static void unblock_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void child_run(const struct fs_options *caller_opt,
				int ready_fd)
{
	struct fs_options opt = *caller_opt;
	struct reason why = { 0 };
	int err;

	setsid();
	unblock_signals();
	keep_descriptors(&opt, ready_fd);
	err = server_serve(&opt, READY_FD, &why);
	if (err && dprintf(READY_FD, "E%s", why.text) < 0)
		exit(1); /* the parent has had its answer */
	exit(err ? 1 : 0);
}

/* The caller may have died before prctl(2); then no signal is sent. */
static void die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
}

/* Reads a message; returns its length, 0 at the end, or a negative errno. */
static ssize_t next_message(int fd, int timeout_ms, char *buf, size_t bytes)
{
	struct pollfd p = {
		.fd = fd,
		.events = POLLIN,
	};
	ssize_t n;
	int ready;

	do {
		ready = poll(&p, 1, timeout_ms);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return -ETIMEDOUT;
	do {
		n = read(fd, buf, bytes - 1);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}

static int give_up(const struct fs_options *opt, pid_t pid, struct reason *why)
{
	struct reason words;

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (unmount_path(opt->mountpoint, true, &words))
		reason_set(why,
			   "%s: mounted, but does not answer; unmount it with "
			   "mapfs umount",
			   opt->mountpoint);
	else
		reason_set(
			why,
			"%s: mounted, but did not answer within %d s, and was "
			"unmounted; see the log",
			opt->mountpoint, ANSWER_MS / 1000);
	return -ETIMEDOUT;
}

/* Returns what follows the warning, if there is one. */
static const char *take_warning(char *message, struct reason *why)
{
	char *end = *message == 'W' ? strchr(message, '\n') : NULL;

	if (!end)
		return message;
	*end = '\0';
	reason_set(why, "%s", message + 1);
	return end + 1;
}

static int parent_wait(const struct fs_options *opt, pid_t pid, int fd,
		       struct reason *why)
{
	int timeout_ms = -1; /* the recovery of a store may take long */
	char buf[REASON_BYTES + 16];

	reason_clear(why);

	for (;;) {
		ssize_t n = next_message(fd, timeout_ms, buf, sizeof(buf));
		const char *p = buf;

		if (n > 0)
			p = take_warning(buf, why);
		if (n == -ETIMEDOUT)
			return give_up(opt, pid, why);
		if (n <= 0)
			break;
		if (*p == 'M') {
			timeout_ms = ANSWER_MS;
			p++;
		}
		if (*p == 'R')
			return 0;
		if (*p == 'E') {
			reason_set(why, "%s", p + 1);
			waitpid(pid, NULL, 0);
			return -EIO;
		}
	}
	waitpid(pid, NULL, 0);
	reason_set(why,
		   "%s: the daemon died before the mount answered; see the "
		   "log",
		   opt->mountpoint);
	return -EIO;
}

static int start(const struct fs_options *opt, bool is_bound, pid_t *out,
		 struct reason *why)
{
	pid_t self = getpid();
	int fds[2];
	pid_t pid;
	int err;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		err = -errno;
		reason_set(why, "the daemon: cannot start: %s", reason_of(err));
		return err;
	}
	pid = fork();
	if (pid == 0) {
		if (is_bound)
			die_with(self);
		child_run(opt, fds[1]);
	}
	err = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (err)
		reason_set(why, "the daemon: cannot start: %s", reason_of(err));
	else
		err = parent_wait(opt, pid, fds[0], why);
	close(fds[0]);
	if (!err)
		*out = pid;
	return err;
}

int daemon_start(const struct fs_options *opt, struct reason *why)
{
	pid_t pid;

	return start(opt, false, &pid, why);
}

int daemon_start_bound(const struct fs_options *opt, pid_t *out,
		       struct reason *why)
{
	return start(opt, true, out, why);
}

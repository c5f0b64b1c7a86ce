/* SPDX-License-Identifier: MIT */
/*
 * Going into the background.  The fork comes first, before any thread,
 * descriptor or lock exists; the parent waits for what the child tells:
 *
 *    'M'            mounted; an answer must follow within seconds
 *    'R'            the mount answers: success
 *    'E' sentence   failed
 *    end of file    died
 *
 * The parent itself never touches the mount: a daemon that hangs would hang
 * it, too.
 */
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

/* Nothing of the caller's stays open, be it a lock or a pipe. */
static void keep_descriptors(struct fs_options *opt, int ready_fd)
{
	int last = READY_FD;

	/* Out of the way first: each may have the number of the other. */
	ready_fd = fcntl(ready_fd, F_DUPFD_CLOEXEC, FUSE_FD + 1);
	if (opt->fuse_fd >= 0) {
		dup3(opt->fuse_fd, FUSE_FD, O_CLOEXEC);
		opt->fuse_fd = FUSE_FD;
		last = FUSE_FD;
	}
	dup3(ready_fd, READY_FD, O_CLOEXEC);
	close_range((unsigned int)last + 1, ~0U, 0);
}

/* What the caller holds back for itself we need: SIGUSR1 most of all. */
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
	err = fs_serve(&opt, READY_FD, &why);
	if (opt.own_place)
		rmdir(opt.mountpoint);
	if (err && dprintf(READY_FD, "E%s", why.text) < 0)
		exit(1); /* the parent had its answer before */
	exit(err ? 1 : 0);
}

/* The caller may have died before the kernel was told what to do then. */
static void die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
}

/* One message; its length, 0 at the end, or a negative errno. */
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
			   "%s: mounted, but does not answer; "
			   "run mapfs umount on it",
			   opt->mountpoint);
	else
		reason_set(why,
			   "%s: mounted, but did not answer "
			   "within %d s; unmounted again",
			   opt->mountpoint, ANSWER_MS / 1000);
	return -ETIMEDOUT;
}

static int parent_wait(const struct fs_options *opt, pid_t pid, int fd,
		       struct reason *why)
{
	int timeout_ms = -1; /* a store may take its time to recover */
	char buf[1024];

	for (;;) {
		ssize_t n = next_message(fd, timeout_ms, buf, sizeof(buf));
		const char *p = buf;

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
		   "%s: the daemon died before the mount "
		   "answered; look into the log",
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
		reason_set(why, "cannot make a pipe: %s", strerror(-err));
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
		reason_set(why, "cannot start a process: %s", strerror(-err));
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

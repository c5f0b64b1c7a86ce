/* SPDX-License-Identifier: MIT */
/*
 * Signals are treated as sudo treats them.  A signal of the terminal reaches
 * the whole foreground group, the command among it, so it is not passed on; a
 * signal that another process sends to the run is meant for the command, and
 * is passed on.  When the command stops, the run stops, so that the shell that
 * started it gets the terminal back; when the run is continued, it continues
 * the command.
 */
#include "run_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/lib/text.h"

#define TICK_MS 10
#define TERM_TICKS 40 /* after SIGTERM, before SIGKILL */
#define KILL_TICKS 100
#define LEFT_MS 50

static const int watched[] = {
	SIGCHLD, SIGTERM, SIGHUP,  SIGINT,  SIGQUIT,
	SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU,
};

#define WATCHED (sizeof(watched) / sizeof(*watched))
#define OLD_MOST 64

static sigset_t watched_set;
static sigset_t mask_before;
static void (*pipe_before)(int);
/* Children of the program that executed this one. */
static pid_t old_children[OLD_MOST];
static size_t old_count;
static int tty = -1;
static bool was_foreground;

/* Calls fn for each child of this thread, the only one. */
static void children_iterate(void (*fn)(void *arg, pid_t pid), void *arg)
{
	char path[64];
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "re");
	if (!f)
		return;
	while (fscanf(f, "%d", &pid) == 1)
		fn(arg, pid);
	fclose(f);
}

static void old_add(void *arg, pid_t pid)
{
	if (old_count < OLD_MOST)
		old_children[old_count++] = pid;
}

static bool is_old(pid_t pid)
{
	for (size_t i = 0; i < old_count; i++) {
		if (old_children[i] == pid)
			return true;
	}
	return false;
}

void run_wait_begin(void)
{
	sigemptyset(&watched_set);
	for (size_t i = 0; i < WATCHED; i++)
		sigaddset(&watched_set, watched[i]);
	sigprocmask(SIG_BLOCK, &watched_set, &mask_before);
	/* A message that nobody reads is no reason to end before the work is
	   done. */
	pipe_before = signal(SIGPIPE, SIG_IGN);
	children_iterate(old_add, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	was_foreground = tty >= 0 && tcgetpgrp(tty) == getpgrp();
}

void run_wait_restore(void)
{
	signal(SIGPIPE, pipe_before);
	sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

void run_wait_end(void)
{
	struct timespec none = { 0 };

	/* Signals that came after the command had ended were meant for it. */
	while (sigtimedwait(&watched_set, NULL, &none) > 0)
		;
	run_wait_restore();
}

/*
 * A command such as a shell puts itself in the foreground; if it was killed,
 * the terminal has a foreground group without processes, and the run takes its
 * place.  A foreground group that lives keeps it: that is the shell which has
 * sent the run to the background meanwhile.  SIGTTOU is blocked, so a process
 * in the background may call tcsetpgrp(3), too.
 */
static void take_terminal_back(void)
{
	pid_t front = tty >= 0 ? tcgetpgrp(tty) : -1;

	if (was_foreground && front > 1 && kill(-front, 0) < 0 &&
	    errno == ESRCH)
		tcsetpgrp(tty, getpgrp());
}

/* Stops this process with the command, until SIGCONT. */
static void stop_too(pid_t child)
{
	pid_t group = getpgid(child);
	pid_t front = tty >= 0 ? tcgetpgrp(tty) : -1;
	bool had_terminal = group > 0 && group != getpgrp() && front == group;

	if (had_terminal)
		tcsetpgrp(tty, getpgrp());
	kill(getpid(), SIGSTOP);
	was_foreground = tty >= 0 && tcgetpgrp(tty) == getpgrp();
	/* A command with a process group of its own gets the terminal back. */
	if (had_terminal && was_foreground)
		tcsetpgrp(tty, group);
	if (group > 0)
		kill(-group, SIGCONT);
}

/*
 * A process that is ending gives up its namespaces first: it cannot be seen in
 * one, and does not count.
 */
static bool is_at_work(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	return stat(path, &st) == 0;
}

static void say_daemon_ended(const struct run_ctx *r, bool has_ended)
{
	if (r->daemon_status != 0)
		say("%s: the daemon of the view has died, and the command "
		    "cannot reach its files; end the command",
		    r->opt.base);
	/* A daemon whose mount has no users ends, maybe before the command
	   has been waited for. */
	else if (!has_ended && is_at_work(r->child))
		say("%s: the view has ended before the command, which may now "
		    "change the directory itself; end the command",
		    r->opt.base);
}

/* True: the command has ended, with *status of wait(2). */
static bool reap(struct run_ctx *r, int *status)
{
	bool has_ended = false;
	int what;
	pid_t pid;

	while ((pid = waitpid(-1, &what, WNOHANG | WUNTRACED)) > 0) {
		if (WIFSTOPPED(what)) {
			if (pid == r->child)
				stop_too(pid);
		} else if (pid == r->child) {
			*status = what;
			has_ended = true;
		} else if (pid == r->daemon) {
			r->daemon = 0;
			r->daemon_status = what;
			say_daemon_ended(r, has_ended);
		}
	}
	return has_ended;
}

static void pass_on(struct run_ctx *r, const siginfo_t *info)
{
	/* From the kernel: the terminal has sent it to the command, too. */
	if (info->si_code > 0)
		return;
	if (info->si_pid == r->child)
		return;
	kill(r->child, info->si_signo);
}

struct leftovers {
	const struct run_ctx *run;
	int sig;
	unsigned int count;
};

/*
 * Is it in the mount namespace of the first process, and so no user of the
 * view?  A child whose namespaces may not be read is one of the view.
 */
static bool is_outside(const struct run_ctx *r, pid_t pid)
{
	char path[64];
	struct stat st;

	if (!r->has_namespace)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	return stat(path, &st) == 0 && st.st_ino == r->outer_ns;
}

static void leftover_kill(void *arg, pid_t pid)
{
	struct leftovers *l = arg;

	if (pid == l->run->daemon || is_old(pid) || is_outside(l->run, pid))
		return;
	l->count++;
	kill(pid, l->sig);
	kill(pid, SIGCONT);
}

/* Waits for the children that have ended; the daemon stays for reap(). */
static void reap_leftovers(struct run_ctx *r)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid == 0 || info.si_pid == r->daemon)
			return;
		waitpid(info.si_pid, NULL, WNOHANG);
	}
}

/* Ends the processes that still run in the view, which is about to end. */
static void end_leftovers(struct run_ctx *r)
{
	const struct timespec tick = { .tv_nsec = LEFT_MS * 1000000L };
	struct leftovers l = { .run = r };
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGCHLD);

	/* Repeatedly: when one ends, its children become children of this
	   process. */
	for (int i = 0; i < TERM_TICKS + KILL_TICKS; i++) {
		l.sig = i < TERM_TICKS ? SIGTERM : SIGKILL;
		l.count = 0;
		reap_leftovers(r);
		children_iterate(leftover_kill, &l);
		if (l.count == 0)
			return;
		if (i == 0)
			say("%u processes still ran in the view; they are being "
			    "ended",
			    l.count);
		sigtimedwait(&ends, NULL, &tick);
	}
	say("%u processes in the view do not end; their files will be out of "
	    "reach",
	    l.count);
}

int run_wait(struct run_ctx *r)
{
	siginfo_t info;
	int status = 0;

	for (;;) {
		if (sigwaitinfo(&watched_set, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD)
			pass_on(r, &info);
		else if (reap(r, &status))
			break;
	}
	end_leftovers(r);
	take_terminal_back();
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return RUN_SIGNAL + WTERMSIG(status);
}

bool run_wait_for(pid_t pid, int ms, int *status)
{
	const struct timespec tick = { .tv_nsec = TICK_MS * 1000000L };
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGCHLD);
	for (int spent = 0; spent < ms; spent += TICK_MS) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		sigtimedwait(&ends, NULL, &tick);
	}
	return false;
}

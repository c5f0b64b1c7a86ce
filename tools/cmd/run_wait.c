/* SPDX-License-Identifier: MIT */
/*
 * As sudo does it: what the terminal sends goes to the whole foreground group
 * and needs nobody's help; what a process sends to us was meant for the
 * command.  When the command stops we stop, so that the shell that started us
 * gets its terminal back, and when we go on so does the command.
 */
#include <dirent.h>
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

#include "run.h"
#include "tools/lib/text.h"

#define TICK_MS 10
#define TERM_TICKS 40 /* to end by itself when asked */
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
static pid_t old_children[OLD_MOST]; /* whoever became us had them */
static size_t old_count;
static int tty = -1;
static bool was_foreground;

/* Calls fn for each child; the kernel lists those of this thread. */
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
	/* A word that nobody reads is no reason to leave the work undone. */
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

	/* Those that came too late for the command were not meant for us. */
	while (sigtimedwait(&watched_set, NULL, &none) > 0)
		;
	run_wait_restore();
}

/*
 * From a shell that was killed with the terminal; but not from the one that
 * has sent us to the background meanwhile, and is alive.  SIGTTOU is blocked,
 * so a process that is no longer in front may do this, too.
 */
static void take_terminal_back(void)
{
	pid_t front = tty >= 0 ? tcgetpgrp(tty) : -1;

	if (was_foreground && front > 1 && kill(-front, 0) < 0 &&
	    errno == ESRCH)
		tcsetpgrp(tty, getpgrp());
}

/* Stops with the command, until somebody continues us. */
static void stop_too(pid_t child)
{
	pid_t group = getpgid(child);
	pid_t front = tty >= 0 ? tcgetpgrp(tty) : -1;
	bool had_terminal = group > 0 && group != getpgrp() && front == group;

	if (had_terminal)
		tcsetpgrp(tty, getpgrp());
	kill(getpid(), SIGSTOP);
	was_foreground = tty >= 0 && tcgetpgrp(tty) == getpgrp();
	/* A shell of its own group had the terminal, and gets it back. */
	if (had_terminal && was_foreground)
		tcsetpgrp(tty, group);
	if (group > 0)
		kill(-group, SIGCONT);
}

/*
 * Once a process has let go of its namespaces these cannot be seen, so one
 * that merely ends does not count.
 */
static bool is_at_work(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	return stat(path, &st) == 0;
}

static void say_daemon_ended(const struct run *r, bool has_ended)
{
	if (r->daemon_status != 0)
		say("%s: the daemon of the view has died; end the command, its "
		    "files are out of reach",
		    r->opt.base);
	/* With the last of its mount it may end before us. */
	else if (!has_ended && is_at_work(r->child))
		say("%s: the view has ended before the command; end that, it "
		    "may go on in the directory itself",
		    r->opt.base);
}

/* True: the command has ended, *status. */
static bool reap(struct run *r, int *status)
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

static void pass_on(struct run *r, const siginfo_t *info)
{
	/* The command got the same from the terminal. */
	if (info->si_code > 0)
		return;
	if (info->si_pid == r->child)
		return;
	kill(r->child, info->si_signo);
}

struct leftovers {
	const struct run *run;
	int sig;
	unsigned int count;
};

/* Of processes that may not be looked at, ours are the only children. */
static bool is_outside(const struct run *r, pid_t pid)
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

/* Those of the children that have ended, but not the daemon. */
static void reap_leftovers(struct run *r)
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

/* Whoever still runs in the view loses it; better with a word than without. */
static void end_leftovers(struct run *r)
{
	const struct timespec tick = { .tv_nsec = LEFT_MS * 1000000L };
	struct leftovers l = { .run = r };
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGCHLD);

	/* Again and again, for their children become ours as they end. */
	for (int i = 0; i < TERM_TICKS + KILL_TICKS; i++) {
		l.sig = i < TERM_TICKS ? SIGTERM : SIGKILL;
		l.count = 0;
		reap_leftovers(r);
		children_iterate(leftover_kill, &l);
		if (l.count == 0)
			return;
		if (i == 0)
			say("%u processes still ran in the view; ending them",
			    l.count);
		sigtimedwait(&ends, NULL, &tick);
	}
	say("%u processes in the view do not end; they lose it", l.count);
}

int run_wait(struct run *r)
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

/* SPDX-License-Identifier: MIT */
#include "child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

int child_run(int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();
	pid_t ended;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn(arg));
	/* A fuzzer has a timer. */
	do
		ended = waitpid(pid, &status, 0);
	while (ended < 0 && errno == EINTR);
	assert_int_equal(ended, pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

struct silent {
	void (*fn)(void);
};

static int run_silently(void *arg)
{
	const struct silent *s = arg;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)dup2(null, STDERR_FILENO);
	(void)signal(SIGABRT, SIG_DFL);
	s->fn();
	return 0;
}

int child_signal(void (*fn)(void))
{
	struct silent s = { fn };
	int end = child_run(run_silently, &s);

	return end < 0 ? -end : 0;
}

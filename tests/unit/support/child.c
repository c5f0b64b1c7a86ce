/* SPDX-License-Identifier: MIT */
#include "child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

int child_run(int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn(arg));
	assert_int_equal(waitpid(pid, &status, 0), pid);
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

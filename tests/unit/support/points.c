/* SPDX-License-Identifier: MIT */
#include "points.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "child.h"
#include "core/lib/fault.h"

struct killed {
	const struct points_test *test;
	void *arg;
	unsigned int point;
};

static int run_and_die(void *arg)
{
	const struct killed *k = arg;

	if (k->test->begin)
		k->test->begin(k->arg);
	fault_arm_kill(k->point);
	return k->test->operation(k->arg) != 0;
}

static int kill_once(struct killed *k)
{
	int end = child_run(run_and_die, k);

	if (end != -SIGKILL)
		assert_int_equal(end, 0);
	k->test->check(k->arg, end == -SIGKILL ? -EINTR : 0);
	return end;
}

/* With sanitizers, only some of the kills; see tools/check. */
static unsigned int kill_step(const struct points_test *t)
{
	const char *sparse = getenv("MAPFS_TEST_KILL_STEP");
	const unsigned int step = t->step ? t->step : 1;

	return sparse && !t->all ?
		       step * (unsigned int)strtoul(sparse, NULL, 10) :
		       step;
}

unsigned int points_kill(const struct points_test *t, void *arg)
{
	struct killed k = { .test = t, .arg = arg, .point = t->first };

	for (;; k.point += kill_step(t)) {
		int end;

		if (t->prepare)
			t->prepare(arg);
		end = kill_once(&k);
		if (t->dies_twice)
			(void)kill_once(&k);
		if (end == 0)
			return k.point;
	}
}

unsigned int points_fail(const struct points_test *t, int err, void *arg)
{
	unsigned int failed = 0;
	bool done = false;

	for (unsigned int n = t->first; !done; n += t->step ? t->step : 1) {
		int result;

		if (t->prepare)
			t->prepare(arg);
		if (t->begin)
			t->begin(arg);
		fault_reset();
		fault_arm(n, err);
		result = t->operation(arg);
		done = fault_passed() <= n;
		fault_disarm();
		failed += result != 0;
		t->check(arg, result);
	}
	return failed;
}

/* SPDX-License-Identifier: MIT */
/*
 * Fault points: silent until armed, exact when armed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/lib/fault.h"

static void test_fault__nothing_fails_or_counts_unarmed(void **state)
{
	fault_reset();
	fault_disarm();
	for (int i = 0; i < 3; i++)
		assert_int_equal(fault_point("a"), 0);
	assert_int_equal(fault_passed(), 0);
}

static void test_fault__reset_starts_counting(void **state)
{
	fault_reset();
	assert_int_equal(fault_point("a"), 0);
	assert_int_equal(fault_point("b"), 0);
	fault_disarm();
	assert_int_equal(fault_passed(), 2);
	fault_reset();
	assert_int_equal(fault_passed(), 0);
	fault_disarm();
}

static void test_fault__ordinal_fails_once(void **state)
{
	for (unsigned int n = 0; n < 4; n++) {
		fault_arm(n, EIO);
		for (unsigned int i = 0; i < 6; i++)
			assert_int_equal(fault_point("a"), i == n ? -EIO : 0);
		fault_disarm();
	}
}

static void test_fault__name_fails_until_disarmed(void **state)
{
	fault_arm_name("journal.flush", ENOSPC);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fault_point("journal.flush"), -ENOSPC);
		assert_int_equal(fault_point("journal.flush2"), 0);
		assert_int_equal(fault_point("journal"), 0);
	}
	fault_disarm();
	assert_int_equal(fault_point("journal.flush"), 0);
}

static void test_fault__kill_ends_the_process_there(void **state)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		fault_arm_kill(1);
		if (fault_point("a") != 0)
			_exit(1);
		if (fault_point("b") != 0)
			_exit(2);
		_exit(3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fault__nothing_fails_or_counts_unarmed),
		cmocka_unit_test(test_fault__reset_starts_counting),
		cmocka_unit_test(test_fault__ordinal_fails_once),
		cmocka_unit_test(test_fault__name_fails_until_disarmed),
		cmocka_unit_test(test_fault__kill_ends_the_process_there),
	};

	if (!getenv("CMOCKA_MESSAGE_OUTPUT"))
		cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

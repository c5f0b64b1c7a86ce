/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "core/lib/timespec.h"

static const struct timespec early = { .tv_sec = 5, .tv_nsec = 7 };
static const struct timespec later = { .tv_sec = 5, .tv_nsec = 8 };
static const struct timespec late = { .tv_sec = 6, .tv_nsec = 0 };

static void test_timespec__equal_means_second_and_nanosecond(void **state)
{
	(void)state;
	assert_true(timespec_is_equal(early, early));
	assert_false(timespec_is_equal(early, later));
	assert_false(timespec_is_equal(
		early, (struct timespec){ .tv_sec = 6, .tv_nsec = 7 }));
}

static void test_timespec__the_second_counts_before_the_nanosecond(void **state)
{
	(void)state;
	assert_true(timespec_is_after(later, early));
	assert_true(timespec_is_after(late, later));
	assert_false(timespec_is_after(early, late));
	assert_false(timespec_is_after(early, early));
}

static void test_timespec__statx_tells_the_time_of_stat(void **state)
{
	struct statx stx;
	struct stat st;

	(void)state;
	assert_int_equal(statx(AT_FDCWD, "/usr", 0, STATX_MTIME, &stx), 0);
	assert_int_equal(stat("/usr", &st), 0);
	assert_true(timespec_is_equal(timespec_of_statx(stx.stx_mtime),
				      st.st_mtim));
	/* Before 1970 the second is negative. */
	assert_int_equal(
		timespec_of_statx((struct statx_timestamp){ .tv_sec = -1 })
			.tv_sec,
		-1);
}

static void test_timespec__monotonic_time_advances_in_milliseconds(void **state)
{
	int64_t begin = timespec_monotonic_ms();
	int64_t took;

	(void)state;
	usleep(20 * 1000);
	took = timespec_monotonic_ms() - begin;
	assert_true(took >= 19);
	assert_true(took < 60 * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_timespec__equal_means_second_and_nanosecond),
		cmocka_unit_test(
			test_timespec__the_second_counts_before_the_nanosecond),
		cmocka_unit_test(test_timespec__statx_tells_the_time_of_stat),
		cmocka_unit_test(
			test_timespec__monotonic_time_advances_in_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

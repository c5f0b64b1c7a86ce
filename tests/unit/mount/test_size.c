/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "fs/mount/size.h"

#define UNTOUCHED 4711

static void assert_size(const char *text, uint64_t want)
{
	uint64_t got = UNTOUCHED;

	assert_int_equal(size_parse(text, strlen(text), &got), 0);
	assert_int_equal(got, want);
}

static void assert_refused(const char *text, int err)
{
	uint64_t got = UNTOUCHED;

	assert_int_equal(size_parse(text, strlen(text), &got), err);
	assert_int_equal(got, UNTOUCHED);
}

static void test_size__units_are_powers_of_1024(void **state)
{
	(void)state;
	assert_size("0", 0);
	assert_size("007", 7);
	assert_size("4095", 4095);
	assert_size("3K", 3 << 10);
	assert_size("3KiB", 3 << 10);
	assert_size("5M", 5 << 20);
	assert_size("5MiB", 5 << 20);
	assert_size("6G", 6LL << 30);
	assert_size("6GiB", 6LL << 30);
	assert_size("7T", 7LL << 40);
	assert_size("7TiB", 7LL << 40);
	assert_size("3k", 3 << 10);
	assert_size("5m", 5 << 20);
	assert_size("6g", 6LL << 30);
	assert_size("7t", 7LL << 40);
}

static void test_size__sectors_have_512_bytes(void **state)
{
	(void)state;
	assert_size("0s", 0);
	assert_size("2048s", 1 << 20);
}

static void test_size__hexadecimal_is_bytes(void **state)
{
	(void)state;
	assert_size("0x0", 0);
	assert_size("0x10", 16);
	assert_size("0X1f", 31);
	assert_size("0xfFfFfFfFfFfFfFfF", UINT64_MAX);
	assert_refused("0x", -EINVAL);
	assert_refused("0x10K", -EINVAL);
	assert_refused("0x10s", -EINVAL);
	assert_refused("10x", -EINVAL);
}

static void test_size__what_is_no_size_is_refused(void **state)
{
	static const char *const bad[] = {
		"",    "K",	"s",	"-1",  "+1",  " 1",
		"1 ",  "1kiB",	"1S",	"1KB", "1kB", "1b",
		"1Ki", "1KiB ", "1.5M", "1e3", "1sK", "12,",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_refused(bad[i], -EINVAL);
}

static void test_size__largest_size_fits_and_one_more_does_not(void **state)
{
	(void)state;
	assert_size("18446744073709551615", UINT64_MAX);
	assert_refused("18446744073709551616", -ERANGE);
	assert_refused("99999999999999999999999999", -ERANGE);
	assert_refused("0x10000000000000000", -ERANGE);
	assert_size("36028797018963967s", UINT64_MAX - 511);
	assert_refused("36028797018963968s", -ERANGE);
	assert_size("16777215T", 0xffffffULL << 40);
	assert_refused("16777216T", -ERANGE);
	/* It would be no size with any number before it. */
	assert_refused("99999999999999999999999999x", -EINVAL);
}

static void test_size__nothing_behind_its_length_is_read(void **state)
{
	uint64_t got = 0;

	(void)state;
	assert_int_equal(size_parse("12:34", 2, &got), 0);
	assert_int_equal(got, 12);
	assert_int_equal(size_parse("1KiB", 2, &got), 0);
	assert_int_equal(got, 1024);
	assert_int_equal(size_parse("0x1", 2, &got), -EINVAL);
	assert_int_equal(size_parse("1", 0, &got), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size__units_are_powers_of_1024),
		cmocka_unit_test(test_size__sectors_have_512_bytes),
		cmocka_unit_test(test_size__hexadecimal_is_bytes),
		cmocka_unit_test(test_size__what_is_no_size_is_refused),
		cmocka_unit_test(
			test_size__largest_size_fits_and_one_more_does_not),
		cmocka_unit_test(test_size__nothing_behind_its_length_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

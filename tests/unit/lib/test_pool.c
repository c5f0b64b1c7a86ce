/* SPDX-License-Identifier: MIT */
#include "core/lib/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OBJECTS 20000U
#define LARGE (1U << 20)

/* More than one chunk, of sizes that do not fit it. */
static void test_pool__objects_are_zeroed_aligned_and_apart(void **state)
{
	static unsigned char *object[OBJECTS];
	struct pool r = { 0 };

	(void)state;
	for (unsigned int n = 0; n < OBJECTS; n++) {
		const size_t bytes = n % 100 + 1;

		object[n] = pool_alloc(&r, bytes);
		assert_non_null(object[n]);
		assert_int_equal((uintptr_t)object[n] % 8, 0);
		for (size_t i = 0; i < bytes; i++)
			assert_int_equal(object[n][i], 0);
		memset(object[n], (int)(n % 255 + 1), bytes);
	}
	for (unsigned int n = 0; n < OBJECTS; n++)
		for (size_t i = 0; i < n % 100 + 1; i++)
			assert_int_equal(object[n][i], n % 255 + 1);
	pool_fini(&r);
	assert_null(r.newest);
}

static void test_pool__large_objects_and_copies(void **state)
{
	struct pool r = { 0 };
	char *small = pool_copy(&r, "abcdef", 3);
	char *large = pool_alloc(&r, LARGE);

	(void)state;
	assert_non_null(large);
	memset(large, 1, LARGE);
	assert_string_equal(small, "abc");
	assert_string_equal(pool_copy(&r, "", 0), "");
	assert_null(pool_alloc(&r, SIZE_MAX));
	pool_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_pool__objects_are_zeroed_aligned_and_apart),
		cmocka_unit_test(test_pool__large_objects_and_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

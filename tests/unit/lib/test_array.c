/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/array.h"

struct item {
	uint64_t key;
	char tag[3];
};

struct list {
	struct item *items;
	size_t count;
	size_t cap;
};

static void test_array__appended_elements_stay_as_they_were(void **state)
{
	struct list l = { 0 };
	const size_t many = 1000;

	(void)state;
	for (size_t i = 0; i < many; i++) {
		assert_int_equal(array_reserve(&l.items, &l.cap, l.count + 1),
				 0);
		l.items[l.count++] = (struct item){ .key = i, .tag = "ab" };
	}
	assert_true(l.cap >= many);
	for (size_t i = 0; i < many; i++) {
		assert_int_equal(l.items[i].key, i);
		assert_string_equal(l.items[i].tag, "ab");
	}
	free(l.items);
}

static void test_array__capacity_doubles(void **state)
{
	struct list l = { 0 };
	unsigned int moves = 0;

	(void)state;
	for (size_t want = 1; want <= 1U << 16; want++) {
		size_t was = l.cap;

		assert_int_equal(array_reserve(&l.items, &l.cap, want), 0);
		if (l.cap != was) {
			moves++;
			assert_true(l.cap >= 2 * was);
		}
	}
	assert_true(moves <= 16);
	free(l.items);
}

static void test_array__room_that_is_there_moves_nothing(void **state)
{
	struct list l = { 0 };
	struct item *before;
	size_t cap;

	(void)state;
	assert_int_equal(array_reserve(&l.items, &l.cap, 0), 0);
	assert_null(l.items);
	assert_int_equal(array_reserve(&l.items, &l.cap, 100), 0);
	before = l.items;
	cap = l.cap;
	assert_int_equal(array_reserve(&l.items, &l.cap, cap), 0);
	assert_int_equal(array_reserve(&l.items, &l.cap, 1), 0);
	assert_ptr_equal(l.items, before);
	assert_int_equal(l.cap, cap);
	free(l.items);
}

static void test_array__pointers_are_elements_too(void **state)
{
	char **names = NULL;
	size_t cap = 0;

	(void)state;
	assert_int_equal(array_reserve(&names, &cap, 20), 0);
	for (size_t i = 0; i < cap; i++)
		names[i] = "name";
	free(names);
}

static void test_array__failure_leaves_the_array_alone(void **state)
{
	struct list l = { 0 };
	struct item *before;
	size_t cap;

	(void)state;
	assert_int_equal(array_reserve(&l.items, &l.cap, 2), 0);
	memset(l.items, 7, 2 * sizeof(*l.items));
	before = l.items;
	cap = l.cap;
	/* One that overflows size_t as bytes, one that is merely too long. */
	assert_int_equal(array_reserve(&l.items, &l.cap, SIZE_MAX), -ENOMEM);
	assert_int_equal(array_reserve(&l.items, &l.cap,
				       PTRDIFF_MAX / sizeof(*l.items)),
			 -ENOMEM);
	assert_ptr_equal(l.items, before);
	assert_int_equal(l.cap, cap);
	assert_int_equal(l.items[1].tag[2], 7);
	free(l.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_array__appended_elements_stay_as_they_were),
		cmocka_unit_test(test_array__capacity_doubles),
		cmocka_unit_test(test_array__room_that_is_there_moves_nothing),
		cmocka_unit_test(test_array__pointers_are_elements_too),
		cmocka_unit_test(test_array__failure_leaves_the_array_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

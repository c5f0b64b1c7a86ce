/* SPDX-License-Identifier: MIT */
#include "core/base/places.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NUMBERS 5000
#define ROUNDS 200000

static int setup(void **state)
{
	struct places *p;

	if (places_create(&p))
		return -1;
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	places_destroy(*state);
	return 0;
}

static void note(struct places *p, mapfs_ino ino, mapfs_ino dir,
		 uint64_t cookie)
{
	places_note(p, &(struct place){ ino, dir, cookie });
}

static void what_is_noted_before_a_walk_is_dropped(void **state)
{
	struct place at;

	note(*state, 5, 2, 0);
	assert_false(places_get(*state, 5, &at));
	assert_false(places_are_whole(*state));
}

static void
a_walk_replaces_what_was_known_but_keeps_what_was_noted(void **state)
{
	struct place at;

	places_walk_begin(*state);
	note(*state, 5, 2, 7);
	places_walk_end(*state, true);
	places_walk_begin(*state);
	assert_true(places_get(*state, 5, &at));
	note(*state, 6, 2, 0);
	places_walk_end(*state, true);
	assert_false(places_get(*state, 5, &at));
	assert_true(places_get(*state, 6, &at));
	assert_true(places_are_whole(*state));
}

static void a_walk_during_which_a_directory_moved_is_not_whole(void **state)
{
	places_walk_begin(*state);
	places_disturb(*state);
	places_walk_end(*state, true);
	assert_false(places_are_whole(*state));
	places_walk_begin(*state);
	places_walk_end(*state, false);
	assert_false(places_are_whole(*state));
	places_walk_begin(*state);
	places_walk_end(*state, true);
	assert_true(places_are_whole(*state));
}

static void a_cookie_stays_until_the_directory_is_another(void **state)
{
	struct place at;

	places_walk_begin(*state);
	note(*state, 5, 2, 7);
	note(*state, 5, 2, 0);
	assert_true(places_get(*state, 5, &at));
	assert_int_equal(at.cookie, 7);
	note(*state, 5, 3, 0);
	assert_true(places_get(*state, 5, &at));
	assert_int_equal(at.dir, 3);
	assert_int_equal(at.cookie, 0);
	places_walk_end(*state, true);
}

static void the_number_0_is_nobody(void **state)
{
	struct place at;

	places_walk_begin(*state);
	note(*state, 0, 2, 7);
	assert_false(places_get(*state, 0, &at));
	places_forget(*state, 0);
	places_walk_end(*state, true);
}

/* Numbers with neighbouring slots, added and removed in any order. */
static void the_table_is_what_a_list_would_be(void **state)
{
	static mapfs_ino dir_of[NUMBERS];
	struct place at;

	memset(dir_of, 0, sizeof(dir_of));
	places_walk_begin(*state);
	srand(1);
	for (int n = 0; n < ROUNDS; n++) {
		size_t k = (size_t)rand() % NUMBERS;
		mapfs_ino ino = (k + 1) << (k % 3 * 20);

		if (rand() % 5 < 3) {
			dir_of[k] = (mapfs_ino)n + 1;
			note(*state, ino, dir_of[k], 0);
		} else {
			dir_of[k] = 0;
			places_forget(*state, ino);
		}
	}
	for (size_t k = 0; k < NUMBERS; k++) {
		mapfs_ino ino = (k + 1) << (k % 3 * 20);
		bool found = places_get(*state, ino, &at);

		assert_int_equal(found, dir_of[k] != 0);
		if (found)
			assert_int_equal(at.dir, dir_of[k]);
	}
	places_walk_end(*state, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_noted_before_a_walk_is_dropped),
		TEST(a_walk_replaces_what_was_known_but_keeps_what_was_noted),
		TEST(a_walk_during_which_a_directory_moved_is_not_whole),
		TEST(a_cookie_stays_until_the_directory_is_another),
		TEST(the_number_0_is_nobody),
		TEST(the_table_is_what_a_list_would_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

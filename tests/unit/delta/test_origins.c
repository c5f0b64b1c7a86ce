/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/delta/origins.h"

static void assert_names(struct origins *p, const char *path, const char *want)
{
	char text[256] = "";
	char **names;
	size_t count;

	assert_int_equal(origins_list(p, path, &names, &count), 0);
	for (size_t n = 0; n < count; n++) {
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
			       "%s ", names[n]);
		free(names[n]);
	}
	free(names);
	assert_string_equal(text, want);
}

static void test_origins__directories_on_the_way_are_known(void **state)
{
	struct origins p;

	(void)state;
	origins_init(&p);
	assert_true(origins_is_empty(&p));
	assert_int_equal(origins_add(&p, "b/c/d", 7), 0);
	assert_int_equal(origins_add(&p, "b/a", 8), 0);
	assert_int_equal(origins_add(&p, "x", 9), 0);
	assert_names(&p, "", "b x ");
	assert_names(&p, "b", "a c ");
	assert_names(&p, "b/c/d", "");
	assert_names(&p, "nowhere", "");
	assert_int_equal(origins_get(&p, "b/c/d", 0), 7);
	assert_int_equal(origins_get(&p, "b/c", 0), 0);
	assert_int_equal(origins_below(&p, "b/c"), 7);
	assert_int_equal(origins_below(&p, "b/c/d"), 0);
	assert_int_not_equal(origins_below(&p, ""), 0);
	origins_remove(&p, "b/c/d", 7);
	assert_int_equal(origins_below(&p, "b/c"), 0);
	assert_names(&p, "b", "a ");
	origins_remove(&p, "b/a", 8);
	origins_remove(&p, "x", 9);
	assert_true(origins_is_empty(&p));
	origins_fini(&p);
}

static void test_origins__newest_of_one_place_comes_first(void **state)
{
	struct origins p;

	(void)state;
	origins_init(&p);
	for (mapfs_ino ino = 1; ino <= 3; ino++)
		assert_int_equal(origins_add(&p, "a", ino), 0);
	assert_int_equal(origins_get(&p, "a", 0), 3);
	assert_int_equal(origins_get(&p, "a", 2), 1);
	assert_int_equal(origins_get(&p, "a", 3), 0);
	origins_remove(&p, "a", 2);
	origins_remove(&p, "a", 99); /* not there: fine */
	origins_remove(&p, "b", 1);
	assert_int_equal(origins_get(&p, "a", 0), 3);
	assert_int_equal(origins_get(&p, "a", 1), 1);
	assert_int_equal(origins_get(&p, "a", 2), 0);
	origins_fini(&p);
}

/* Goal: paths whose parts are no names are kept, but never listed [S1]. */
static void test_origins__paths_of_strangers_are_no_names(void **state)
{
	static const char *const paths[] = { "/",  "//", "/a", "a//b",
					     "a/", ".",	 "..", "a/../b" };
	struct origins p;
	char name[300];

	(void)state;
	origins_init(&p);
	for (size_t n = 0; n < sizeof(paths) / sizeof(*paths); n++)
		assert_int_equal(origins_add(&p, paths[n], n + 1), 0);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(origins_add(&p, name, 100), 0);
	assert_names(&p, "", "a ");
	for (size_t n = 0; n < sizeof(paths) / sizeof(*paths); n++) {
		assert_int_equal(origins_get(&p, paths[n], 0), n + 1);
		origins_remove(&p, paths[n], n + 1);
	}
	origins_remove(&p, name, 100);
	assert_true(origins_is_empty(&p));
	origins_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_origins__directories_on_the_way_are_known),
		cmocka_unit_test(test_origins__newest_of_one_place_comes_first),
		cmocka_unit_test(test_origins__paths_of_strangers_are_no_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

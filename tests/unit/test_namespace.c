/* SPDX-License-Identifier: MIT */
#include "core/namespace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void insert(struct namespace *ns, mapfs_ino dir, const char *name,
		   mapfs_ino ino)
{
	assert_int_equal(namespace_insert(ns, dir, name, strlen(name), ino, 0,
					  false),
			 0);
}

static void test_namespace__same_name_in_two_directories(void **state)
{
	struct namespace ns;

	(void)state;
	namespace_init(&ns);
	insert(&ns, 1, "a", 10);
	insert(&ns, 2, "a", 20);
	assert_int_equal(namespace_lookup(&ns, 1, "a", 1)->ino, 10);
	assert_int_equal(namespace_lookup(&ns, 2, "a", 1)->ino, 20);
	assert_null(namespace_lookup(&ns, 3, "a", 1));
	assert_null(namespace_lookup(&ns, 1, "ab", 2));
	insert(&ns, 1, "a", 0);
	assert_int_equal(namespace_lookup(&ns, 1, "a", 1)->ino, 0);
	namespace_remove(&ns, 1, "a", 1);
	namespace_remove(&ns, 1, "a", 1);
	assert_null(namespace_lookup(&ns, 1, "a", 1));
	assert_false(namespace_has(&ns, 1));
	assert_true(namespace_has(&ns, 2));
	namespace_fini(&ns);
}

/*
 * Goal: a walk meets every name that stays, once, whatever comes and goes.
 * Method: remove every other name and add new ones in the middle of it.
 */
static void test_namespace__cookies_survive_changes(void **state)
{
	struct namespace ns;
	const struct dentry *d;
	uint64_t cookie = 0;
	int met[300] = { 0 };
	char name[16];
	int steps = 0;

	(void)state;
	namespace_init(&ns);
	for (int n = 0; n < 200; n++) {
		(void)snprintf(name, sizeof(name), "%d", n);
		insert(&ns, 7, name, (mapfs_ino)n + 1);
	}
	while ((d = namespace_next(&ns, 7, cookie))) {
		cookie = d->cookie;
		met[d->ino - 1]++;
		if (steps++ != 50)
			continue;
		for (int n = 0; n < 200; n += 2) {
			(void)snprintf(name, sizeof(name), "%d", n);
			namespace_remove(&ns, 7, name, strlen(name));
		}
		for (int n = 200; n < 300; n++) {
			(void)snprintf(name, sizeof(name), "%d", n);
			insert(&ns, 7, name, (mapfs_ino)n + 1);
		}
	}
	for (int n = 0; n < 300; n++)
		if (n % 2 == 1 || n >= 200)
			assert_int_equal(met[n], 1);
	namespace_fini(&ns);
}

static void test_namespace__drop_forgets_one_directory(void **state)
{
	struct namespace ns;

	(void)state;
	namespace_init(&ns);
	insert(&ns, 1, "a", 0);
	insert(&ns, 1, "b", 0);
	insert(&ns, 2, "a", 9);
	namespace_drop(&ns, 1);
	assert_false(namespace_has(&ns, 1));
	assert_null(namespace_lookup(&ns, 1, "b", 1));
	assert_non_null(namespace_lookup(&ns, 2, "a", 1));
	namespace_fini(&ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_namespace__same_name_in_two_directories),
		cmocka_unit_test(test_namespace__cookies_survive_changes),
		cmocka_unit_test(test_namespace__drop_forgets_one_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "core/delta/namespace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void insert(struct namespace *ns, mapfs_ino dir, const char *name,
		   mapfs_ino ino)
{
	const struct record_dentry r = {
		.dir = dir,
		.ino = ino,
		.name = name,
		.name_bytes = strlen(name),
	};

	assert_int_equal(namespace_insert(ns, &r, false), 0);
}

static void insert_whiteout(struct namespace *ns, mapfs_ino dir,
			    const char *name)
{
	const struct record_dentry r = {
		.dir = dir,
		.over_base = true,
		.name = name,
		.name_bytes = strlen(name),
	};

	assert_int_equal(namespace_insert(ns, &r, false), 0);
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
 * Goal: a walk meets every name that stays once, and no new name, whatever is
 *       added and removed meanwhile.
 * Method: remove every other name and add new ones in the middle of it.
 */
static void test_namespace__positions_survive_changes(void **state)
{
	struct namespace ns;
	const struct dentry *d;
	uint64_t position = 0;
	int met[300] = { 0 };
	char name[16];
	int steps = 0;

	(void)state;
	namespace_init(&ns);
	for (int n = 0; n < 200; n++) {
		(void)snprintf(name, sizeof(name), "%d", n);
		insert(&ns, 7, name, (mapfs_ino)n + 1);
	}
	while ((d = namespace_next(&ns, 7, position))) {
		position = d->position;
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
			assert_int_equal(met[n], n < 200);
	namespace_fini(&ns);
}

static void rename_in(struct namespace *ns, mapfs_ino dir, const char *from,
		      const char *to)
{
	const mapfs_ino ino =
		namespace_lookup(ns, dir, from, strlen(from))->ino;

	namespace_change(ns);
	namespace_remove(ns, dir, from, strlen(from));
	insert(ns, dir, to, ino);
}

static uint64_t position(const struct namespace *ns, mapfs_ino dir,
			 const char *name)
{
	return namespace_lookup(ns, dir, name, strlen(name))->position;
}

static void test_namespace__renamed_name_stands_just_before_the_old(void **s)
{
	struct namespace ns;
	uint64_t low;
	uint64_t at;
	uint64_t high;

	(void)s;
	namespace_init(&ns);
	insert(&ns, 1, "high", 1);
	insert(&ns, 1, "at", 2);
	insert(&ns, 1, "low", 3);
	high = position(&ns, 1, "high");
	at = position(&ns, 1, "at");
	low = position(&ns, 1, "low");
	rename_in(&ns, 1, "at", "x");
	rename_in(&ns, 1, "x", "y");
	assert_true(low < position(&ns, 1, "y"));
	assert_true(position(&ns, 1, "y") < at);
	assert_true(at < high);
	/* Created again, a name has its old position. */
	insert(&ns, 1, "at", 4);
	assert_int_equal(position(&ns, 1, "at"), at);
	/* A move to another directory leaves no position for a new name. */
	rename_in(&ns, 1, "y", "z");
	namespace_change(&ns);
	namespace_remove(&ns, 1, "z", 1);
	insert(&ns, 2, "z", 2);
	insert(&ns, 1, "new", 5);
	assert_true(position(&ns, 1, "new") < low);
	namespace_fini(&ns);
}

/*
 * Goal: when a slot has no place left, positions stay unique.
 * Method: the same object is renamed more often than a slot has places.
 */
static void test_namespace__endless_renames_take_a_new_slot(void **state)
{
	struct namespace ns;
	char from[16] = "0";
	char to[16];
	uint64_t first;

	(void)state;
	namespace_init(&ns);
	insert(&ns, 1, from, 1);
	insert(&ns, 1, "low", 2);
	first = position(&ns, 1, from);
	for (int n = 1; n < 70000; n++) {
		(void)snprintf(to, sizeof(to), "%d", n);
		rename_in(&ns, 1, from, to);
		assert_true(position(&ns, 1, to) < first);
		assert_true(position(&ns, 1, to) != position(&ns, 1, "low"));
		memcpy(from, to, sizeof(from));
	}
	assert_true(position(&ns, 1, to) < position(&ns, 1, "low"));
	namespace_fini(&ns);
}

/*
 * Goal: when a namespace is replaced, running listings show no name twice.
 * Method: names of both keep their positions, and so does one that is created
 *         again; new names are below all others.
 */
static void test_namespace__replacing_keeps_positions(void **state)
{
	struct namespace old;
	struct namespace ns;
	uint64_t both;
	uint64_t gone;
	uint64_t only_old;

	(void)state;
	namespace_init(&old);
	insert(&old, 1, "gone", 1);
	insert(&old, 1, "both", 2);
	insert(&old, 1, "old", 3);
	gone = position(&old, 1, "gone");
	both = position(&old, 1, "both");
	only_old = position(&old, 1, "old");
	namespace_remove(&old, 1, "gone", 4);

	namespace_init(&ns);
	namespace_replace_begin(&ns, &old);
	insert(&ns, 1, "new", 4);
	insert(&ns, 1, "gone", 1);
	insert(&ns, 1, "both", 2);
	namespace_replace_end(&ns);
	namespace_fini(&old);
	assert_int_equal(position(&ns, 1, "both"), both);
	assert_int_equal(position(&ns, 1, "gone"), gone);
	assert_true(position(&ns, 1, "new") < only_old);
	/* Only the old namespace had it, and a listing may have met it. */
	insert(&ns, 1, "old", 3);
	assert_int_equal(position(&ns, 1, "old"), only_old);
	namespace_fini(&ns);
}

static int next_ino(void *arg, const struct dentry *d)
{
	mapfs_ino *last = arg;

	assert_true(d->ino == *last + 1 || d->ino == 0);
	*last = d->ino ? d->ino : *last;
	return 0;
}

/* Compaction writes names in this order, and replay must keep it. */
static void test_namespace__iterating_goes_from_the_oldest(void **state)
{
	struct namespace ns;
	mapfs_ino last = 0;
	char name[16];

	(void)state;
	namespace_init(&ns);
	for (int n = 1; n <= 1000; n++) {
		namespace_change(&ns);
		(void)snprintf(name, sizeof(name), "%d", n);
		insert(&ns, 1, name, (mapfs_ino)n);
		(void)snprintf(name, sizeof(name), "w%d", n);
		insert_whiteout(&ns, 1, name);
	}
	assert_int_equal(namespace_iterate(&ns, next_ino, &last), 0);
	assert_int_equal(last, 1000);
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
		cmocka_unit_test(test_namespace__positions_survive_changes),
		cmocka_unit_test(
			test_namespace__renamed_name_stands_just_before_the_old),
		cmocka_unit_test(
			test_namespace__endless_renames_take_a_new_slot),
		cmocka_unit_test(test_namespace__replacing_keeps_positions),
		cmocka_unit_test(
			test_namespace__iterating_goes_from_the_oldest),
		cmocka_unit_test(test_namespace__drop_forgets_one_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

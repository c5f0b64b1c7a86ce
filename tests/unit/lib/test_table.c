/* SPDX-License-Identifier: MIT */
#include "core/lib/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 20000U

struct item {
	struct table_link link;
	uint64_t key;
	unsigned int met;
};

static uint64_t hash(const struct table_link *l)
{
	return table_hash_number(((const struct item *)l)->key);
}

/* As bad as a hash can be. */
static uint64_t hash_all_alike(const struct table_link *l)
{
	(void)l;
	return 5;
}

static struct item *find(const struct table *t, uint64_t key)
{
	struct table_link *l = table_chain(t, table_hash_number(key));

	while (l && ((struct item *)l)->key != key)
		l = l->next;
	return (struct item *)l;
}

static struct item *make_items(void)
{
	struct item *items = calloc(ITEMS, sizeof(*items));

	assert_non_null(items);
	for (uint64_t n = 0; n < ITEMS; n++)
		items[n].key = n;
	return items;
}

static void test_table__every_element_is_found_at_every_size(void **state)
{
	struct item *items = make_items();
	struct table t;

	(void)state;
	table_init(&t, hash);
	assert_null(find(&t, 0));
	for (unsigned int n = 0; n < ITEMS; n++) {
		assert_int_equal(table_insert(&t, &items[n].link), 0);
		/* The one that may have moved last, and others. */
		for (unsigned int k = 0; k <= n; k += n / 7 + 1)
			assert_ptr_equal(find(&t, k), &items[k]);
		assert_null(find(&t, n + 1));
	}
	for (unsigned int n = 0; n < ITEMS; n += 2)
		table_remove(&t, &items[n].link);
	assert_int_equal(t.count, ITEMS / 2);
	for (unsigned int n = 0; n < ITEMS; n++)
		assert_ptr_equal(find(&t, n), n % 2 ? &items[n] : NULL);
	table_fini(&t);
	free(items);
}

/*
 * Goal: a walk that is left between buckets misses nothing that stays.
 * Method: between two buckets others are inserted and removed.
 */
static void test_table__a_walk_in_pieces_meets_all_that_stay(void **state)
{
	struct item *items = make_items();
	unsigned int next = ITEMS / 4;
	unsigned int gone = ITEMS / 8;
	struct table t;

	(void)state;
	table_init(&t, hash);
	for (unsigned int n = 0; n < next; n++)
		assert_int_equal(table_insert(&t, &items[n].link), 0);
	for (uint64_t b = 0; b < table_buckets(&t); b++) {
		struct table_link *l = table_bucket(&t, b);

		for (; l; l = l->next)
			((struct item *)l)->met++;
		for (int k = 0; k < 3 && next < ITEMS; k++)
			assert_int_equal(table_insert(&t, &items[next++].link),
					 0);
		if (gone < ITEMS / 4)
			table_remove(&t, &items[gone++].link);
	}
	assert_int_equal(next, ITEMS);
	for (unsigned int n = 0; n < ITEMS / 8; n++)
		assert_true(items[n].met > 0);
	table_fini(&t);
	free(items);
}

static void test_table__equal_hashes_are_one_chain(void **state)
{
	struct item *items = make_items();
	unsigned int met = 0;
	struct table t;

	(void)state;
	table_init(&t, hash_all_alike);
	for (unsigned int n = 0; n < 2000; n++)
		assert_int_equal(table_insert(&t, &items[n].link), 0);
	for (unsigned int n = 0; n < 2000; n += 3)
		table_remove(&t, &items[n].link);
	for (const struct table_link *l = table_chain(&t, 5); l; l = l->next)
		met++;
	assert_int_equal(met, t.count);
	table_fini(&t);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_table__every_element_is_found_at_every_size),
		cmocka_unit_test(
			test_table__a_walk_in_pieces_meets_all_that_stay),
		cmocka_unit_test(test_table__equal_hashes_are_one_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

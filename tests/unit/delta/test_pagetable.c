/* SPDX-License-Identifier: MIT */
#include "core/delta/pagetable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MODEL_PAGES 5000U

struct model {
	uint64_t page[MODEL_PAGES]; /* 0 base, 1 hole, else apage + 2 */
	uint64_t freed;
};

static void count_freed(void *arg, mapfs_apage first, uint64_t count)
{
	struct model *m = arg;

	(void)first;
	m->freed += count;
}

static void assert_matches(const struct pagetable *pt, const struct model *m)
{
	struct pt_run run;
	uint64_t arena = 0;
	uint64_t hiding = 0;

	for (uint64_t n = 0; n < pt->base_end && n < MODEL_PAGES; n++)
		hiding += m->page[n] != PT_BASE;
	assert_int_equal(hiding, pt->hiding_pages);
	for (uint64_t at = 0; at < MODEL_PAGES; at += run.count) {
		pagetable_lookup(pt, at, MODEL_PAGES - at, &run);
		assert_true(run.count > 0);
		for (uint64_t n = 0; n < run.count; n++) {
			uint64_t want = m->page[at + n];

			assert_int_equal(run.kind, want > 2 ? 2 : want);
			if (run.kind == PT_ARENA)
				assert_int_equal(run.apage + n, want - 2);
			arena += run.kind == PT_ARENA;
		}
		if (at + run.count < MODEL_PAGES) {
			uint64_t a = m->page[at + run.count - 1];
			uint64_t b = m->page[at + run.count];

			/* A run that could be longer is not the longest. */
			assert_false(a <= 1 ? a == b : b == a + 1);
		}
	}
	assert_int_equal(arena, pt->arena_pages);
}

/*
 * Goal: any history of ranges reads back as a plain array would.
 * Method: random sets, compared page by page; freed pages are counted.
 */
static void test_pagetable__random_ranges_match_an_array(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	struct pagetable pt;
	uint64_t next = 10;
	uint64_t set = 0;

	(void)state;
	srandom(7);
	pagetable_init(&pt);
	for (int round = 0; round < 2000; round++) {
		uint64_t first = (uint64_t)random() % MODEL_PAGES;
		uint64_t most = random() % 3 ? 70 : MODEL_PAGES;
		struct pt_run run = {
			.kind = (enum pt_kind)(random() % 3),
			.first = first,
			.count = 1 + (uint64_t)random() % most,
			.apage = next,
		};

		if (run.count > MODEL_PAGES - first)
			run.count = MODEL_PAGES - first;
		next += random() % 2; /* sometimes a run goes on */
		run.apage = next;
		assert_int_equal(pagetable_set(&pt, &run, count_freed, m), 0);
		for (uint64_t n = 0; n < run.count; n++)
			m->page[first + n] =
				run.kind == PT_ARENA ? next + n + 2 : run.kind;
		if (run.kind == PT_ARENA) {
			set += run.count;
			next += run.count;
		}
		if (round % 20 == 0)
			pagetable_set_base_end(&pt, (uint64_t)random() %
							    (2 * MODEL_PAGES));
		if (round % 50 == 0)
			assert_matches(&pt, m);
	}
	assert_matches(&pt, m);
	assert_int_equal(m->freed + pt.arena_pages, set);
	pagetable_fini(&pt, count_freed, m);
	assert_int_equal(m->freed, set);
	free(m);
}

static void test_pagetable__written_in_order_is_one_run(void **state)
{
	struct pagetable pt;
	struct pt_run run;

	(void)state;
	pagetable_init(&pt);
	for (uint64_t n = 0; n < 100000; n++) {
		run = (struct pt_run){ PT_ARENA, n, 1, n + 5 };
		assert_int_equal(pagetable_set(&pt, &run, NULL, NULL), 0);
	}
	pagetable_lookup(&pt, 0, 1U << 20, &run);
	assert_int_equal(run.count, 100000);
	assert_int_equal(run.apage, 5);
	pagetable_fini(&pt, NULL, NULL);
}

static void test_pagetable__last_page_of_the_largest_file(void **state)
{
	const mapfs_pgno last = page_of(MAPFS_MAX_SIZE);
	struct pagetable pt;
	struct pt_run run = { PT_ARENA, last, 1, 3 };

	(void)state;
	pagetable_init(&pt);
	assert_int_equal(pagetable_set(&pt, &run, NULL, NULL), 0);
	assert_int_equal(pagetable_end(&pt), MAPFS_MAX_PAGES);
	assert_true(pagetable_next(&pt, 0, &run));
	assert_int_equal(run.first, last);
	assert_int_equal(run.apage, 3);
	run = (struct pt_run){ PT_HOLE, 1, last, 0 };
	assert_int_equal(pagetable_set(&pt, &run, NULL, NULL), 0);
	assert_int_equal(pt.arena_pages, 0);
	assert_int_equal(pt.hole_pages, last);
	pagetable_lookup(&pt, 1, UINT64_MAX, &run);
	assert_int_equal(run.count, last);
	pagetable_fini(&pt, NULL, NULL);
}

static void test_pagetable__next_skips_base(void **state)
{
	struct pagetable pt;
	struct pt_run run = { PT_HOLE, 70000, 3, 0 };

	(void)state;
	pagetable_init(&pt);
	assert_false(pagetable_next(&pt, 0, &run));
	run = (struct pt_run){ PT_HOLE, 70000, 3, 0 };
	assert_int_equal(pagetable_set(&pt, &run, NULL, NULL), 0);
	assert_true(pagetable_next(&pt, 5, &run));
	assert_int_equal(run.first, 70000);
	assert_int_equal(run.count, 3);
	assert_true(pagetable_next(&pt, 70002, &run));
	assert_int_equal(run.count, 1);
	assert_false(pagetable_next(&pt, 70003, &run));
	pagetable_fini(&pt, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pagetable__random_ranges_match_an_array),
		cmocka_unit_test(test_pagetable__written_in_order_is_one_run),
		cmocka_unit_test(test_pagetable__last_page_of_the_largest_file),
		cmocka_unit_test(test_pagetable__next_skips_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * What journal_durable() says stays true, whatever follows and whatever a power
 * cut takes, and a journal that has less is damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/journal_fixture.h"

#define BOUNDS_MAX 64

struct bounds {
	struct journal_bound list[BOUNDS_MAX];
	size_t count;
};

static int ignore(void *arg, mapfs_lsn lsn, const void *records, size_t len)
{
	return 0;
}

static int open_with(char epoch, const struct journal_bound *b,
		     struct journal_damage *damage)
{
	struct journal_id id = id_of(epoch);
	struct journal_replay replay = { .fn = ignore, .bound = b };
	struct journal *j = NULL;
	int err = journal_open(&j, &where_dir, &id, true, &replay);

	*damage = replay.damage;
	if (!err)
		journal_close(j);
	return err;
}

/* All bounds that ever were, after a kill and after a power cut. */
static void note(struct bounds *all, struct journal *j)
{
	struct journal_damage damage;

	assert_true(all->count < BOUNDS_MAX);
	journal_durable(j, &all->list[all->count++]);
	for (size_t n = 0; n < all->count; n++) {
		assert_int_equal(open_with('a', &all->list[n], &damage), 0);
		assert_int_equal(open_with('b', &all->list[n], &damage), 0);
	}
}

static void compact(struct journal *j)
{
	struct journal_compaction *c;
	uint8_t buf[GROUP_BYTES_MAX];

	sync_journal(j);
	assert_int_equal(journal_compact_begin(j, &c), 0);
	assert_int_equal(journal_compact_append(c, buf, group_fill(9, buf)), 0);
	assert_int_equal(journal_compact_end(c), 0);
}

/* Groups were appended while the pages of the mark were flushed. */
static void change_and_sync(struct bounds *all, struct journal *j)
{
	mapfs_lsn covers;

	append(j, 1, 3);
	note(all, j);
	covers = journal_last_lsn(j);
	append(j, 4, 5);
	assert_int_equal(journal_mark(j, GROUP_SYNC, covers), 0);
	note(all, j);
	assert_int_equal(journal_flush(j), 0);
	note(all, j);
}

static void test_bound__stays_true(void **state)
{
	struct bounds all = { .count = 0 };
	struct journal *j = create_journal('a');

	(void)state;
	note(&all, j);
	change_and_sync(&all, j);
	journal_close(j);
	/* Discards what no mark covers. */
	j = reopen('b');
	note(&all, j);
	change_and_sync(&all, j);
	compact(j);
	note(&all, j);
	change_and_sync(&all, j);
	assert_int_equal(journal_mark(j, GROUP_CLOSE, journal_last_lsn(j)), 0);
	note(&all, j);
	assert_int_equal(journal_flush(j), 0);
	note(&all, j);
	assert_true(all.list[all.count - 1].closed);
	assert_false(all.list[all.count - 2].closed);
	journal_close(j);
	/* Openings that changed nothing, and one that did. */
	journal_close(reopen('a'));
	j = reopen('a');
	note(&all, j);
	change_and_sync(&all, j);
	journal_close(j);
}

static void expect(const struct journal_bound *b, uint64_t segment,
		   uint64_t offset)
{
	struct journal_damage damage;
	int err = open_with('b', b, &damage);

	assert_int_not_equal(err, 0);
	assert_int_equal(err, journal_damage_error(damage.kind));
	assert_int_equal(damage.segment, segment);
	assert_int_equal(damage.offset, offset);
}

/* Without the mark, power loss would take what the mark made durable. */
static void test_bound__last_mark_is_missed(void **state)
{
	struct journal *j = create_journal('a');
	struct journal_bound b;
	struct journal_damage damage;
	uint64_t before;
	size_t bytes;
	uint8_t *p;

	(void)state;
	append(j, 1, 3);
	before = journal_bytes(j);
	sync_journal(j);
	journal_durable(j, &b);
	journal_close(j);
	p = read_segment("1", &bytes);
	assert_int_equal(bytes, b.end);
	write_segment("1", p, before);
	assert_int_equal(open_with('b', NULL, &damage), 0);
	expect(&b, 1, before);
	free(p);
}

static void test_bound__other_segment_of_that_number_is_missed(void **state)
{
	struct journal *j = create_journal('a');
	struct journal_bound b;
	struct journal_damage damage;
	struct journal_bound other;

	(void)state;
	journal_close(j);
	j = reopen('a');
	journal_durable(j, &b);
	assert_int_equal(open_with('a', &b, &damage), 0);
	other = b;
	other.header_sum++;
	expect(&other, 2, 0);
	other = b;
	other.uuid[0]++;
	expect(&other, 2, 0);
	other = b;
	other.segment = 3;
	expect(&other, 3, 0);
	assert_int_equal(open_with('a', &other, &damage), -EUCLEAN);
	assert_int_equal(damage.kind, JOURNAL_HAS_NO_FILE);
	/* A later segment that begins too early. */
	journal_close(j);
	j = reopen('a');
	other = b;
	other.lsn = 100;
	expect(&other, 3, 0);
	compact(j);
	expect(&other, 4, 0);
	journal_close(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_in_dir(test_bound__stays_true),
		test_in_dir(test_bound__last_mark_is_missed),
		test_in_dir(test_bound__other_segment_of_that_number_is_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

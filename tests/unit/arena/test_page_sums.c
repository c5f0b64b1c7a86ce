/* SPDX-License-Identifier: MIT */
/*
 * The table of sums, and pages that get theirs while others write them.
 */
#include "tests/unit/support/arena_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/arena/page_sums.h"
#include "core/arena/sums.h"
#include "core/lib/fault.h"

static struct fixture open_summed(void)
{
	struct fixture f = open_arena();

	arena_use_sums(f.a);
	return f;
}

static void put(struct arena *a, mapfs_apage page, char c)
{
	char bytes[PAGE];

	memset(bytes, c, sizeof(bytes));
	assert_int_equal(arena_write(a, page * PAGE, bytes, sizeof(bytes)), 0);
}

/* The bytes on the disk, without the arena. */
static void spoil(const struct fixture *f, mapfs_apage page)
{
	assert_int_equal(pwrite(f->fd, "!", 1, (off_t)(page * PAGE + 100)), 1);
}

static int read_byte(struct arena *a, uint64_t off, char *c)
{
	return arena_read(a, off, c, 1);
}

static void test_page_sums__table_keeps_sums_and_marks(void **state)
{
	struct sums s = { .count = 0 };
	const uint64_t far = 1000 * (uint64_t)SUMS_CHUNK_PAGES;
	uint64_t first;

	assert_int_equal(sums_get(&s, 5), 0);
	assert_int_equal(sums_reserve(&s, 4095, 2), 0);
	assert_int_equal(sums_reserve(&s, far, 1), 0);
	for (uint64_t page = 4094; page < 4098; page++)
		sums_set(&s, page, page, false);
	sums_set(&s, far, 7, true);
	assert_int_equal(s.unrecorded, 4);
	assert_int_equal(sums_to_verify(&s, 4094), 0);
	assert_int_equal(sums_to_verify(&s, far), 7);
	sums_set_verified(&s, far, 8);
	assert_int_equal(sums_to_verify(&s, far), 7);
	sums_set_verified(&s, far, 7);
	assert_int_equal(sums_to_verify(&s, far), 0);
	sums_next_round(&s, 1);
	assert_int_equal(sums_to_verify(&s, 4094), 4094);
	assert_true(sums_has_unrecorded(&s, 0, 4095));
	assert_int_equal(sums_take_unrecorded(&s, 0, 3, &first), 3);
	assert_int_equal(first, 4094);
	assert_false(sums_has_unrecorded(&s, 0, 4097));
	assert_int_equal(sums_take_unrecorded(&s, 0, 3, &first), 1);
	assert_int_equal(first, 4097);
	assert_int_equal(sums_take_unrecorded(&s, 0, 3, &first), 0);
	assert_int_equal(sums_next(&s, 0, 100, &first), 4);
	assert_int_equal(first, 4094);
	assert_int_equal(sums_next(&s, 4098, 100, &first), 1);
	assert_int_equal(first, far);
	assert_int_equal(sums_next(&s, far + 1, 100, &first), 0);
	sums_forget(&s, 4095, 1);
	assert_int_equal(sums_next_without(&s, 4094, 4098), 4095);
	sums_set_unrecorded(&s, 4094, 3);
	assert_int_equal(s.unrecorded, 2);
	sums_fini(&s);
}

static void test_page_sums__settling_leaves_what_was_written(void **state)
{
	uint64_t sum[64] = { 11, 12, 13 };
	struct sums s = { .count = 0 };

	assert_int_equal(sums_reserve(&s, 0, 3), 0);
	sums_settle_begin(&s, 0, 3);
	sums_forget(&s, 1, 1);
	sums_set(&s, 2, 99, false);
	sums_settle_end(&s, sum);
	assert_int_equal(sums_get(&s, 0), 11);
	assert_int_equal(sums_get(&s, 1), 0);
	assert_int_equal(sums_get(&s, 2), 99);
	sums_fini(&s);
}

static void test_page_sums__changed_bytes_are_not_read(void **state)
{
	struct fixture f = open_summed();
	mapfs_apage p = take(f.a, 3, NOWHERE);
	char c;

	for (mapfs_apage n = 0; n < 3; n++)
		put(f.a, p + n, (char)('a' + n));
	spoil(&f, p + 1);
	/* They were ours a moment ago. */
	assert_int_equal(read_byte(f.a, (p + 1) * PAGE, &c), 0);
	arena_verify_again(f.a);
	assert_int_equal(read_byte(f.a, (p + 1) * PAGE, &c), -EBADMSG);
	assert_int_equal(read_byte(f.a, (p + 2) * PAGE - 1, &c), -EBADMSG);
	assert_int_equal(read_byte(f.a, p * PAGE, &c), 0);
	assert_int_equal(c, 'a');
	assert_int_equal(arena_write(f.a, (p + 1) * PAGE + 7, "x", 1),
			 -EBADMSG);
	put(f.a, p + 1, 'B');
	assert_int_equal(arena_write(f.a, (p + 2) * PAGE - 1, "xy", 2), 0);
	arena_verify_again(f.a);
	assert_int_equal(read_byte(f.a, (p + 2) * PAGE, &c), 0);
	assert_int_equal(c, 'y');
	close_arena(&f);
}

/* A new owner of the page must not inherit the sum of the old one. */
static void test_page_sums__new_page_has_none(void **state)
{
	struct fixture f = open_summed();
	mapfs_apage p = take(f.a, 2, NOWHERE);
	uint64_t first;
	uint64_t sum[2];

	put(f.a, p, 'a');
	put(f.a, p + 1, 'b');
	arena_free(f.a, p, 1);
	sync_point(f.a);
	assert_int_equal(take(f.a, 1, p), p);
	assert_int_equal(arena_next_sums(f.a, 0, &first, sum, 2), 1);
	assert_int_equal(first, p + 1);
	assert_int_equal(arena_take_unrecorded(f.a, 0, &first, sum, 2), 1);
	assert_int_equal(first, p + 1);
	assert_false(arena_has_sums(f.a, p, 2));
	while (arena_settle(f.a, 100))
		;
	close_arena(&f);
}

/*
 * A page without a sum may have any bytes, but not those that the kernel shows
 * behind the end of the file.  Symptom: check found a store sound that could not
 * be opened.
 */
static void test_page_sums__page_cut_in_two_is_not_read(void **state)
{
	struct fixture f = open_arena();
	char c;

	(void)take(f.a, 100, NOWHERE);
	assert_int_equal(ftruncate(f.fd, 50 * PAGE + 1), 0);
	reopen_arena(&f);
	arena_accept_short_file(f.a);
	assert_int_equal(arena_mark(f.a, 48, 4), 0);
	assert_int_equal(arena_read(f.a, 50 * PAGE - 1, &c, 1), 0);
	assert_int_equal(arena_read(f.a, 50 * PAGE, &c, 1), -EIO);
	assert_int_equal(arena_read(f.a, 51 * PAGE, &c, 1), -EIO);
	close_arena(&f);
}

static void test_page_sums__replay_gives_them_to_pages_in_use(void **state)
{
	struct fixture f = open_summed();
	mapfs_apage p = take(f.a, 4, NOWHERE);
	uint64_t sum[4];
	uint64_t region;
	uint64_t first;
	le64 disk[4];
	char c;

	for (mapfs_apage n = 0; n < 4; n++)
		put(f.a, p + n, (char)('a' + n));
	assert_int_equal(arena_take_unrecorded(f.a, 0, &first, sum, 4), 4);
	for (int n = 0; n < 4; n++)
		disk[n] = le64_of(sum[n]);
	reopen_arena(&f);
	arena_use_sums(f.a);
	assert_int_equal(arena_mark(f.a, p, 3), 0);
	assert_int_equal(arena_set_sums(f.a, p, disk, 4), 0);
	assert_int_equal(arena_set_sums(f.a, 1ULL << 40, disk, 4), 0);
	assert_int_equal(arena_next_sums(f.a, 0, &first, sum, 4), 3);
	/* Named again after it was free. */
	arena_free_replayed(f.a, p + 1, 1);
	assert_int_equal(arena_mark(f.a, p + 1, 1), 0);
	spoil(&f, p + 1);
	spoil(&f, p + 2);
	assert_int_equal(read_byte(f.a, (p + 1) * PAGE, &c), 0);
	assert_int_equal(read_byte(f.a, (p + 2) * PAGE, &c), -EBADMSG);
	/* In flight, and far behind the end of the file. */
	assert_false(arena_next_in_flight(f.a, 0, &region));
	assert_int_equal(arena_set_in_flight(f.a, 0, REGION_PAGES, true), 0);
	assert_int_equal(arena_set_in_flight(f.a, 1ULL << 43, 1, true), 0);
	assert_true(arena_next_in_flight(f.a, 0, &region));
	assert_int_equal(region, 0);
	assert_false(arena_next_in_flight(f.a, 1, &region));
	assert_int_equal(arena_forget_in_flight(f.a), 2);
	assert_int_equal(read_byte(f.a, (p + 2) * PAGE, &c), 0);
	while (arena_settle(f.a, 1))
		;
	assert_true(arena_has_sums(f.a, 0, REGION_PAGES));
	assert_false(arena_is_settled(f.a, 0, REGION_PAGES));
	close_arena(&f);
}

/* Old bytes, or -EBADMSG: nobody takes a page of two writes for either. */
static void test_page_sums__failed_write_keeps_the_sum(void **state)
{
	struct fixture f = open_summed();
	mapfs_apage p = take(f.a, 1, NOWHERE);
	char bytes[PAGE] = "new";
	char c;

	put(f.a, p, 'a');
	fault_arm_name("arena.write", EIO);
	assert_int_equal(arena_write(f.a, p * PAGE, bytes, PAGE), -EIO);
	fault_disarm();
	arena_verify_again(f.a);
	assert_int_equal(read_byte(f.a, p * PAGE, &c), 0);
	assert_int_equal(c, 'a');
	spoil(&f, p);
	fault_arm_name("arena.write", EIO);
	assert_int_equal(arena_write(f.a, p * PAGE, bytes, PAGE), -EIO);
	fault_disarm();
	assert_int_equal(read_byte(f.a, p * PAGE, &c), -EBADMSG);
	close_arena(&f);
}

#define RACE_PAGES 64U
#define RACE_ROUNDS 300

static atomic_bool race_is_over;

static void *settle_again_and_again(void *arg)
{
	struct fixture *f = arg;

	while (!race_is_over) {
		(void)arena_settle(f->a, 64);
		usleep(1);
	}
	return NULL;
}

/*
 * Goal: a page that is settled while it is written has the sum of what was
 * written in the end.
 * Method: a writer whose writes fail now and then, which takes sums away.
 */
static void test_page_sums__settling_and_writing_agree(void **state)
{
	struct fixture f = open_summed();
	mapfs_apage p = take(f.a, RACE_PAGES, NOWHERE);
	pthread_t t;
	char c;

	race_is_over = false;
	assert_int_equal(pthread_create(&t, NULL, settle_again_and_again, &f),
			 0);
	for (int round = 0; round < RACE_ROUNDS; round++) {
		mapfs_apage page = p + (unsigned int)round % RACE_PAGES;

		/* Without a sum, as after a power cut. */
		assert_int_equal(
			arena_set_in_flight(f.a, 0, REGION_PAGES, true), 0);
		(void)arena_forget_in_flight(f.a);
		put(f.a, page, (char)round);
		assert_int_equal(arena_write(f.a, page * PAGE + 9, "xy", 2), 0);
		arena_verify_again(f.a);
		assert_int_equal(read_byte(f.a, page * PAGE + 9, &c), 0);
		assert_int_equal(c, 'x');
	}
	race_is_over = true;
	pthread_join(t, NULL);
	arena_verify_again(f.a);
	for (mapfs_apage n = 0; n < RACE_PAGES; n++)
		assert_int_equal(read_byte(f.a, (p + n) * PAGE, &c), 0);
	close_arena(&f);
}

/* A branch was refused after its parent had given back its last pages. */
static void test_page_sums__parent_may_have_given_pages_back(void **state)
{
	const mapfs_apage parent = 1ULL << MAPFS_APAGE_BITS;
	struct fixture f = open_summed();
	int fd = memfd_create("parent", MFD_CLOEXEC);
	const le64 sums[4] = { { { 1 } } }; /* of the first page, wrong */
	char c;

	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	assert_int_equal(arena_add_parent(f.a, fd), 0);
	assert_int_equal(arena_set_sums(f.a, parent + 1, sums, 4), 0);
	assert_int_equal(arena_set_sums(f.a, parent + 9, sums, 4), 0);
	assert_int_equal(read_byte(f.a, (parent + 1) * PAGE, &c), -EBADMSG);
	assert_int_equal(read_byte(f.a, parent * PAGE, &c), 0);
	assert_int_equal(arena_set_sums(f.a, 2 * parent, sums, 4), -EUCLEAN);
	/* A record that no snapshot counts any more may name such a page. */
	assert_int_equal(arena_mark(f.a, parent + 9, 1), 0);
	assert_int_equal(read_byte(f.a, (parent + 9) * PAGE, &c), -EIO);
	assert_int_equal(arena_mark(f.a, 2 * parent, 1), -EUCLEAN);
	close_arena(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page_sums__table_keeps_sums_and_marks),
		cmocka_unit_test(
			test_page_sums__settling_leaves_what_was_written),
		cmocka_unit_test(test_page_sums__changed_bytes_are_not_read),
		cmocka_unit_test(test_page_sums__new_page_has_none),
		cmocka_unit_test(test_page_sums__page_cut_in_two_is_not_read),
		cmocka_unit_test(
			test_page_sums__replay_gives_them_to_pages_in_use),
		cmocka_unit_test(test_page_sums__failed_write_keeps_the_sum),
		cmocka_unit_test(test_page_sums__settling_and_writing_agree),
		cmocka_unit_test(
			test_page_sums__parent_may_have_given_pages_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

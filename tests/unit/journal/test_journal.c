/* SPDX-License-Identifier: MIT */
/*
 * The promises of the journal: which groups are replayed after a clean end, a
 * killed daemon or a power cut, and which bytes are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/checksum.h"
#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "core/lib/le.h"
#include "tests/unit/support/child.h"
#include "tests/unit/support/journal_fixture.h"

#define OFF_VERSION 8
#define OFF_FLAGS 12
#define OFF_MAY_IGNORE 16
#define OFF_MUST_REFUSE 24
#define OFF_MUST_CLEAR 32
#define OFF_UUID 40
#define OFF_NUMBER 56
#define OFF_FIRST_LSN 64
#define OFF_DURABLE_LSN 72
#define OFF_SUM 112

/* [D3] */
static void test_journal__killed_daemon_loses_nothing(void **state)
{
	struct journal *j = create_journal('a');
	struct seen s;

	append(j, 1, 99);
	journal_close(j);
	assert_int_equal(look('a', &s), 0);
	assert_true(seen_is(&s, RUNS({ 0, 99 })));
	assert_int_equal(s.discarded, 0);
}

/* [D2] The mark follows groups that were appended during the flush. */
static void test_journal__power_cut_keeps_what_the_mark_covers(void **state)
{
	struct journal *j = create_journal('a');
	mapfs_lsn covers;
	struct seen s;

	append(j, 1, 3);
	covers = journal_last_lsn(j);
	append(j, 4, 4);
	assert_int_equal(journal_mark(j, GROUP_SYNC, covers), 0);
	append(j, 5, 6);
	journal_close(j);
	assert_int_equal(look('b', &s), 0);
	assert_true(seen_is(&s, RUNS({ 0, 3 })));
	assert_int_equal(s.discarded, 3);
	assert_seen('a', { 0, 6 });
}

static void test_journal__closed_journal_needs_no_epoch(void **state)
{
	struct journal *j = create_journal('a');
	struct seen s;

	append(j, 1, 5);
	assert_int_equal(journal_mark(j, GROUP_CLOSE, journal_last_lsn(j)), 0);
	assert_int_equal(journal_flush(j), 0);
	journal_close(j);
	assert_int_equal(look('b', &s), 0);
	assert_true(seen_is(&s, RUNS({ 0, 5 })));
	assert_int_equal(s.discarded, 0);
}

static void test_journal__power_cut_before_any_mark_keeps_history(void **state)
{
	struct journal *j = create_journal('a');

	append(j, 1, 5);
	journal_close(j);
	/* This opening trusts 1 to 5, so they are durable from now on. */
	j = reopen('a');
	append(j, 6, 7);
	journal_close(j);
	assert_seen('b', { 0, 5 });
	assert_seen('a', { 0, 7 });
}

static void test_journal__created_journal_is_durable_at_once(void **state)
{
	journal_close(create_journal('a'));
	assert_seen('b', { 0, 0 });
}

static void test_journal__discarded_tail_never_comes_back(void **state)
{
	struct journal *j = create_journal('a');
	mapfs_lsn covers;

	append(j, 1, 3);
	covers = journal_last_lsn(j);
	append(j, 4, 5);
	assert_int_equal(journal_mark(j, GROUP_SYNC, covers), 0);
	journal_close(j);
	j = reopen('b');
	journal_close(j);
	/* Not even when the epoch says that nothing can be missing. */
	assert_seen('a', { 0, 3 });
	assert_seen('b', { 0, 3 });
	j = reopen('b');
	append(j, 20, 25);
	sync_journal(j);
	journal_close(j);
	for (char epoch = 'a'; epoch < 'd'; epoch++)
		assert_seen(epoch, { 0, 3 }, { 20, 25 });
	j = reopen('c');
	append(j, 30, 30);
	journal_close(j);
	assert_seen('c', { 0, 3 }, { 20, 25 }, { 30, 30 });
	assert_seen('d', { 0, 3 }, { 20, 25 });
}

static void test_journal__many_openings_add_up(void **state)
{
	struct journal *j = create_journal('a');

	append(j, 1, 1);
	for (uint64_t n = 2; n < 40; n++) {
		journal_close(j);
		j = reopen(n % 2 ? 'a' : 'b');
		append(j, n, n);
		sync_journal(j);
	}
	journal_close(j);
	/* Group 1 was never marked, and the epoch changed then. */
	assert_seen('c', { 0, 0 }, { 2, 39 });
	assert_int_equal(files_in_dir(false), 39);
}

static void test_journal__create_refuses_and_open_finds_nothing(void **state)
{
	const struct journal_id id = id_of('a');
	struct journal *j = NULL;
	struct seen s;

	assert_int_equal(look('a', &s), -ENOENT);
	write_segment("1.tmp", "unfinished", 10);
	assert_int_equal(look('a', &s), -ENOENT);
	journal_close(create_journal('a'));
	assert_int_equal(files_in_dir(false), 1);
	assert_int_equal(journal_create(&j, &where_dir, &id, "x", 1), -EEXIST);
	assert_seen('a', { 0, 0 });
}

static void three_segments(void)
{
	struct journal *j = create_journal('a');

	append(j, 1, 5);
	journal_close(j);
	j = reopen('a');
	append(j, 6, 7);
	journal_close(j);
	j = reopen('a');
	append(j, 8, 9);
	journal_close(j);
	assert_seen('a', { 0, 9 });
}

static void test_journal__missing_segment_is_damage(void **state)
{
	static const char *const names[] = { "1", "2" };
	struct seen s;

	three_segments();
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(renameat(where_dir.dirfd, names[i],
					  where_dir.dirfd, "away"),
				 0);
		assert_int_equal(look('a', &s), -EUCLEAN);
		assert_int_equal(renameat(where_dir.dirfd, "away",
					  where_dir.dirfd, names[i]),
				 0);
	}
	assert_seen('a', { 0, 9 });
}

/* Even if the missing segment was empty: it was part of the history. */
static void test_journal__gap_in_the_numbers_is_damage(void **state)
{
	struct seen s;

	journal_close(create_journal('a'));
	journal_close(reopen('a'));
	journal_close(reopen('a'));
	assert_seen('a', { 0, 0 });
	assert_int_equal(unlinkat(where_dir.dirfd, "2", 0), 0);
	assert_int_equal(look('a', &s), -EUCLEAN);
}

static void test_journal__older_segment_cut_short_is_damage(void **state)
{
	struct seen s;
	size_t bytes;
	uint8_t *p;

	three_segments();
	p = read_segment("2", &bytes);
	write_segment("2", p, bytes - group_bytes(7) - 32);
	assert_int_equal(look('a', &s), -EBADMSG);
	write_segment("2", p, bytes);
	assert_seen('a', { 0, 9 });
	free(p);
}

static void test_journal__other_names_are_nobodys(void **state)
{
	static const char *const names[] = {
		"4.tmp", "7.tmp",  "04", "+4", " 4",
		"4x",	 "4.tmpx", "0",	 "x",  "99999999999999999999",
	};
	struct journal *j;

	three_segments();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		write_segment(names[i], "junk", 4);
	assert_seen('a', { 0, 9 });
	j = reopen('a');
	append(j, 10, 10);
	journal_close(j);
	assert_seen('a', { 0, 10 });
	/* Unpublished segments are removed, other files stay. */
	assert_false(segment_exists("4.tmp"));
	assert_false(segment_exists("7.tmp"));
	assert_true(segment_exists("4x"));
}

static void test_journal__no_file_is_damage_and_no_trap(void **state)
{
	struct seen s;

	three_segments();
	assert_int_equal(unlinkat(where_dir.dirfd, "3", 0), 0);
	assert_int_equal(mkfifoat(where_dir.dirfd, "3", 0600), 0);
	assert_int_equal(look('a', &s), -EUCLEAN);
	assert_int_equal(unlinkat(where_dir.dirfd, "3", 0), 0);
	assert_int_equal(symlinkat("2", where_dir.dirfd, "3"), 0);
	assert_int_equal(look('a', &s), -EUCLEAN);
}

/* Segment 1 with one word of its header changed, and the sum right again. */
static int look_with_word(const uint8_t *good, size_t bytes, size_t off,
			  uint64_t word)
{
	uint8_t *p = malloc(bytes);
	le64 d = le64_of(word);
	struct seen s;
	int err;

	assert_non_null(p);
	memcpy(p, good, bytes);
	memcpy(p + off, &d, off == OFF_VERSION || off == OFF_FLAGS ? 4 : 8);
	d = le64_of(checksum64(p, OFF_SUM, 0));
	memcpy(p + OFF_SUM, &d, sizeof(d));
	write_segment("1", p, bytes);
	free(p);
	err = look('a', &s);
	if (!err)
		assert_true(seen_is(&s, RUNS({ 0, 3 })));
	return err;
}

static void test_journal__header_is_judged_word_by_word(void **state)
{
	struct journal *j = create_journal('a');
	size_t bytes;
	uint8_t *p;

	append(j, 1, 3);
	journal_close(j);
	p = read_segment("1", &bytes);
	assert_int_equal(look_with_word(p, bytes, OFF_VERSION, 1), 0);
	assert_int_equal(look_with_word(p, bytes, OFF_VERSION, 2),
			 -EPROTONOSUPPORT);
	assert_int_equal(look_with_word(p, bytes, OFF_VERSION, 0), -EUCLEAN);
	assert_int_equal(look_with_word(p, bytes, OFF_MUST_REFUSE, 7), 0);
	assert_int_equal(look_with_word(p, bytes, OFF_MUST_REFUSE, 1ULL << 40),
			 -EPROTONOSUPPORT);
	assert_int_equal(look_with_word(p, bytes, OFF_MAY_IGNORE, 4), 0);
	assert_int_equal(look_with_word(p, bytes, OFF_MUST_CLEAR, 4), 0);
	assert_int_equal(look_with_word(p, bytes, OFF_FLAGS, 0), -EUCLEAN);
	assert_int_equal(look_with_word(p, bytes, OFF_FLAGS, 3), -EUCLEAN);
	assert_int_equal(look_with_word(p, bytes, OFF_NUMBER, 2), -EUCLEAN);
	assert_int_equal(look_with_word(p, bytes, OFF_FIRST_LSN, 0), -EUCLEAN);
	assert_int_equal(look_with_word(p, bytes, OFF_FIRST_LSN, UINT64_MAX),
			 -EUCLEAN);
	/* Another first lsn: the groups have not the lsns that must follow. */
	assert_int_equal(look_with_word(p, bytes, OFF_FIRST_LSN, 2), -EBADMSG);
	free(p);
}

static void test_journal__writer_clears_what_it_cannot_keep(void **state)
{
	struct journal *j = create_journal('a');
	le64 word;
	size_t bytes;
	uint8_t *p;

	append(j, 1, 3);
	journal_close(j);
	p = read_segment("1", &bytes);
	assert_int_equal(look_with_word(p, bytes, OFF_MUST_CLEAR, 4), 0);
	free(p);
	journal_close(reopen('a'));
	p = read_segment("2", &bytes);
	memcpy(&word, p + OFF_MUST_CLEAR, sizeof(word));
	assert_int_equal(le64_get(word), 0);
	free(p);
}

/*
 * Groups are bound to their segment.  Here those of segment 2 are in segment 3,
 * whose header is changed so that their lsns are the ones that must follow.
 */
static void test_journal__groups_of_elsewhere_do_not_count(void **state)
{
	size_t bytes[2];
	uint8_t *p[2];
	le64 sum;

	three_segments();
	p[0] = read_segment("2", &bytes[0]);
	p[1] = read_segment("3", &bytes[1]);
	memcpy(p[1] + OFF_FIRST_LSN, p[0] + OFF_FIRST_LSN, 8);
	memcpy(p[1] + OFF_DURABLE_LSN, p[0] + OFF_DURABLE_LSN, 8);
	sum = le64_of(checksum64(p[1], OFF_SUM, 0));
	memcpy(p[1] + OFF_SUM, &sum, sizeof(sum));
	p[1] = realloc(p[1], bytes[0]);
	assert_non_null(p[1]);
	memcpy(p[1] + 4096, p[0] + 4096, bytes[0] - 4096);
	write_segment("3", p[1], bytes[0]);
	assert_seen('a', { 0, 5 });
	free(p[0]);
	free(p[1]);
}

static void test_journal__other_stores_segment_is_damage(void **state)
{
	struct seen s;
	size_t bytes;
	uint8_t *p;
	le64 sum;

	three_segments();
	p = read_segment("2", &bytes);
	p[OFF_UUID] ^= 1;
	sum = le64_of(checksum64(p, OFF_SUM, 0));
	memcpy(p + OFF_SUM, &sum, sizeof(sum));
	write_segment("2", p, bytes);
	assert_int_equal(look('a', &s), -EUCLEAN);
	free(p);
}

static int stop_replay(void *arg, mapfs_lsn lsn, const void *records,
		       size_t len)
{
	return lsn == 4 ? -EXDEV : 0;
}

static void test_journal__callback_can_stop_the_replay(void **state)
{
	struct journal_id id = id_of('a');
	struct journal_replay replay = { .fn = stop_replay };
	struct journal *j = NULL;

	three_segments();
	assert_int_equal(journal_open(&j, &where_dir, &id, true, &replay),
			 -EXDEV);
	assert_null(j);
}

struct measured {
	size_t bytes[8];
	size_t count;
};

static int measure(void *arg, mapfs_lsn lsn, const void *records, size_t len)
{
	struct measured *m = arg;
	const uint8_t *p = records;

	assert_true(m->count < 8);
	for (size_t i = 0; m->count > 0 && i < len; i += 997)
		assert_int_equal(p[i], (uint8_t)(i * 3));
	m->bytes[m->count++] = len;
	return 0;
}

static void test_journal__groups_up_to_the_limit(void **state)
{
	static const size_t sizes[] = { 0, 3 << 20, 64 << 20, 1 };
	struct journal *j = create_journal('a');
	struct journal_id id = id_of('a');
	struct measured m = { .count = 0 };
	uint8_t *p = malloc((64 << 20) + 1);
	struct journal_replay replay = { .fn = measure, .arg = &m };
	mapfs_lsn lsn;

	assert_non_null(p);
	for (size_t i = 0; i <= 64 << 20; i++)
		p[i] = (uint8_t)(i * 3);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(journal_append(j, p, sizes[i], &lsn), 0);
	assert_int_equal(journal_append(j, p, (64 << 20) + 1, &lsn), -EMSGSIZE);
	journal_close(j);
	free(p);
	assert_int_equal(journal_open(&j, &where_dir, &id, true, &replay), 0);
	journal_close(j);
	assert_int_equal(m.count, 5);
	assert_memory_equal(m.bytes + 1, sizes, sizeof(sizes));
}

static void test_journal__small_journal_stays_small(void **state)
{
	struct journal *j = create_journal('a');
	struct stat st;

	append(j, 1, 3);
	assert_int_equal(fstatat(where_dir.dirfd, "1", &st, 0), 0);
	assert_in_range(st.st_blocks * 512, 4096, 16384);
	assert_true(journal_bytes(j) > 4096);
	assert_true(journal_bytes(j) < 4096 + 1200);
	journal_close(j);
	/* The space that was reserved for more is given back. */
	assert_int_equal(fstatat(where_dir.dirfd, "1", &st, 0), 0);
	assert_in_range(st.st_size, 4096, 4096 + 1200);
	assert_seen('a', { 0, 3 });
}

static void append_after_close(void)
{
	struct journal *j = create_journal('a');

	if (journal_mark(j, GROUP_CLOSE, journal_last_lsn(j)) == 0)
		(void)!try_append(j, 1);
}

static void mark_after_close(void)
{
	struct journal *j = create_journal('a');

	if (journal_mark(j, GROUP_CLOSE, journal_last_lsn(j)) == 0)
		(void)!journal_mark(j, GROUP_SYNC, 1);
}

static void close_without_covering_all(void)
{
	struct journal *j = create_journal('a');

	append(j, 1, 1);
	(void)!journal_mark(j, GROUP_CLOSE, journal_last_lsn(j) - 1);
}

static void test_journal__nothing_follows_a_close(void **state)
{
#ifdef NDEBUG
	skip();
#endif
	assert_int_equal(child_signal(append_after_close), SIGABRT);
	(void)files_in_dir(true);
	assert_int_equal(child_signal(mark_after_close), SIGABRT);
	(void)files_in_dir(true);
	assert_int_equal(child_signal(close_without_covering_all), SIGABRT);
	(void)files_in_dir(true);
}

static void use_ephemeral(int dirfd)
{
	const struct journal_where where = { .dirfd = dirfd,
					     .ephemeral = true };
	const struct journal_id id = id_of('a');
	struct journal_compaction *c = NULL;
	struct journal *j = NULL;
	uint64_t before;

	assert_int_equal(journal_create(&j, &where, &id, "x", 1), 0);
	append(j, 1, 100);
	/* Nothing of it outlives the process, so nothing is flushed. */
	fault_arm_name("journal.flush", EIO);
	sync_journal(j);
	fault_disarm();
	before = journal_bytes(j);
	assert_int_equal(journal_compact_begin(j, &c), 0);
	assert_int_equal(journal_compact_append(c, "state", 5), 0);
	assert_int_equal(journal_compact_end(c), 0);
	assert_true(journal_bytes(j) < before);
	append(j, 101, 110);
	assert_int_equal(journal_compact_begin(j, &c), 0);
	journal_compact_abort(c);
	append(j, 111, 111);
	assert_int_equal(files_in_dir(false), 0);
	journal_close(j);
}

static void test_journal__ephemeral_leaves_no_trace(void **state)
{
	use_ephemeral(-1);
	use_ephemeral(where_dir.dirfd);
	assert_int_equal(files_in_dir(false), 0);
}

#define THREADS 4
#define EACH 500

struct appender {
	struct journal *j;
	uint64_t first;
};

static void *append_many(void *arg)
{
	struct appender *a = arg;

	for (uint64_t n = 0; n < EACH; n++) {
		if (try_append(a->j, a->first + n) != 0)
			abort();
		if (n % 50 == 0 && (journal_mark(a->j, GROUP_SYNC, 1) != 0 ||
				    journal_flush(a->j) != 0))
			abort();
	}
	return NULL;
}

static void test_journal__threads_append_whole_groups(void **state)
{
	struct journal *j = create_journal('a');
	struct appender a[THREADS];
	uint64_t next[THREADS] = { 0 };
	pthread_t t[THREADS];
	struct seen *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	for (uint64_t i = 0; i < THREADS; i++) {
		a[i] = (struct appender){ j, (i + 1) * 1000 };
		assert_int_equal(
			pthread_create(&t[i], NULL, append_many, &a[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	journal_close(j);
	assert_int_equal(look('a', s), 0);
	assert_int_equal(s->count, 1 + THREADS * EACH);
	for (size_t n = 1; n < s->count; n++) {
		uint64_t thread = s->tag[n] / 1000 - 1;

		assert_true(thread < THREADS);
		assert_int_equal(s->tag[n] % 1000, next[thread]++);
	}
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_in_dir(test_journal__killed_daemon_loses_nothing),
		test_in_dir(test_journal__power_cut_keeps_what_the_mark_covers),
		test_in_dir(test_journal__closed_journal_needs_no_epoch),
		test_in_dir(
			test_journal__power_cut_before_any_mark_keeps_history),
		test_in_dir(test_journal__created_journal_is_durable_at_once),
		test_in_dir(test_journal__discarded_tail_never_comes_back),
		test_in_dir(test_journal__many_openings_add_up),
		test_in_dir(
			test_journal__create_refuses_and_open_finds_nothing),
		test_in_dir(test_journal__missing_segment_is_damage),
		test_in_dir(test_journal__gap_in_the_numbers_is_damage),
		test_in_dir(test_journal__older_segment_cut_short_is_damage),
		test_in_dir(test_journal__other_names_are_nobodys),
		test_in_dir(test_journal__no_file_is_damage_and_no_trap),
		test_in_dir(test_journal__header_is_judged_word_by_word),
		test_in_dir(test_journal__writer_clears_what_it_cannot_keep),
		test_in_dir(test_journal__groups_of_elsewhere_do_not_count),
		test_in_dir(test_journal__other_stores_segment_is_damage),
		test_in_dir(test_journal__callback_can_stop_the_replay),
		test_in_dir(test_journal__groups_up_to_the_limit),
		test_in_dir(test_journal__small_journal_stays_small),
		test_in_dir(test_journal__nothing_follows_a_close),
		test_in_dir(test_journal__ephemeral_leaves_no_trace),
		test_in_dir(test_journal__threads_append_whole_groups),
	};

	if (!getenv("CMOCKA_MESSAGE_OUTPUT"))
		cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The journal after accidents: a torn end at every byte, every flipped bit,
 * death and failure at every step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "tests/unit/support/journal_fixture.h"
#include "tests/unit/support/points.h"

#define HEADER_BYTES 4096
#define EVENTS_MAX 64

/* One group of the segment under test, as its writer knows it. */
struct event {
	size_t begin;
	size_t end; /* padding not counted */
	bool is_mark;
	size_t records; /* tags so far, this one included */
	size_t covered; /* tags that a mark makes durable */
};

struct history {
	struct event event[EVENTS_MAX];
	size_t count;
	uint8_t *bytes;
	size_t len;
};

/* Notes a group that was just appended, with `payload` bytes; e: the rest. */
static void note_event(struct history *h, struct journal *j, size_t payload,
		       struct event e)
{
	size_t padded = (payload + 7) & ~(size_t)7;
	size_t end = (size_t)journal_bytes(j);

	assert_true(h->count < EVENTS_MAX);
	e.begin = end - padded - 32;
	e.end = end - padded + payload;
	h->event[h->count++] = e;
}

static void append_noted(struct history *h, struct journal *j, uint64_t tag)
{
	append(j, tag, tag);
	note_event(h, j, group_bytes(tag),
		   (struct event){ .records = (size_t)tag + 1 });
}

/* Tags 0 to 8, three marks that each cover one group less, maybe flushes. */
static struct history write_history(bool flush)
{
	struct history h = { .count = 0 };
	struct journal *j = create_journal('a');
	size_t covered = 1;

	/* The group that create writes is no event: it must always be there. */
	for (uint64_t tag = 1; tag < 9; tag++) {
		mapfs_lsn covers = journal_last_lsn(j);

		append_noted(&h, j, tag);
		if (tag % 3 != 0)
			continue;
		covered = (size_t)tag;
		assert_int_equal(journal_mark(j, GROUP_SYNC, covers), 0);
		note_event(&h, j, 16,
			   (struct event){
				   .is_mark = true,
				   .records = (size_t)tag + 1,
				   .covered = covered,
			   });
		if (flush)
			assert_int_equal(journal_flush(j), 0);
	}
	journal_close(j);
	h.bytes = read_segment("1", &h.len);
	return h;
}

/* Tags that are to be found when the file is sound up to `cut`. */
static void expect_at(const struct history *h, size_t cut, size_t *records,
		      size_t *covered)
{
	*records = 1;
	*covered = 1;
	for (size_t i = 0; i < h->count && h->event[i].end <= cut; i++) {
		*records = h->event[i].records;
		if (h->event[i].is_mark)
			*covered = h->event[i].covered;
	}
}

static void assert_prefix(const struct seen *s, size_t count)
{
	assert_int_equal(s->count, count);
	for (size_t n = 0; n < count; n++)
		assert_int_equal(s->tag[n], n);
}

static void check_cut(const struct history *h, size_t cut)
{
	struct seen s;
	size_t records;
	size_t covered;
	int err = look('a', &s);

	if (cut < h->event[0].begin) {
		assert_true(err == -EUCLEAN || err == -EBADMSG);
		return;
	}
	expect_at(h, cut, &records, &covered);
	assert_int_equal(err, 0);
	assert_prefix(&s, records);
	assert_int_equal(look('b', &s), 0);
	assert_prefix(&s, covered);
	assert_int_equal(s.discarded, records - covered);
}

/* A cut among zeros loses nothing up to the next byte that is not zero. */
static size_t skip_zeros(const struct history *h, size_t at)
{
	while (at < h->len && h->bytes[at] == 0)
		at++;
	return at;
}

/*
 * Goal: a torn end loses the groups that it tears, and nothing else.
 * Method: cut the file at every byte, and the same with zeros behind the cut.
 */
static void test_journal__torn_at_every_byte(void **state)
{
	struct history h = write_history(false);
	uint8_t *torn = calloc(1, h.len);

	assert_non_null(torn);
	for (size_t cut = 0; cut <= h.len; cut++) {
		if (cut > 130 && cut < HEADER_BYTES)
			continue; /* zeros of the header */
		write_segment("1", h.bytes, cut);
		check_cut(&h, cut);
		if (cut <= 130 && cut >= 120)
			continue; /* a whole header again */
		memcpy(torn, h.bytes, cut);
		write_segment("1", torn, h.len);
		check_cut(&h, skip_zeros(&h, cut));
	}
	free(torn);
	free(h.bytes);
}

/* Does a later sound mark say that the group of this byte was flushed? */
static bool was_flushed(const struct history *h, size_t at)
{
	size_t last_mark = 0;
	size_t before = 0;

	for (size_t i = 0; i < h->count; i++) {
		if (!h->event[i].is_mark)
			continue;
		before = last_mark;
		last_mark = h->event[i].end;
	}
	return at < before;
}

static bool is_padding(const struct history *h, size_t at)
{
	if (at >= 120 && at < HEADER_BYTES)
		return true;
	for (size_t i = 0; i + 1 < h->count; i++)
		if (at >= h->event[i].end && at < h->event[i + 1].begin)
			return true;
	return false;
}

/* The first group and its mark, by create: 8 bytes padded, and 16. */
static bool is_first_padding(size_t at)
{
	size_t end = HEADER_BYTES + 32 + group_bytes(0);

	return at >= end && at < ((end + 7) & ~(size_t)7);
}

/*
 * Goal: a flipped bit is refused, or loses groups at the end; a group that was
 *       flushed is never lost silently, and no wrong bytes are ever replayed.
 * Method: flip every bit.
 */
static void test_journal__every_flipped_bit(void **state)
{
	struct history h = write_history(true);
	struct seen s;

	for (size_t at = 0; at < h.len; at++) {
		if (at >= 128 && at < HEADER_BYTES)
			continue;
		for (int bit = 0; bit < 8; bit++) {
			int err;

			h.bytes[at] ^= (uint8_t)(1 << bit);
			write_segment("1", h.bytes, h.len);
			h.bytes[at] ^= (uint8_t)(1 << bit);
			err = look(bit % 2 ? 'a' : 'b', &s);
			if (err)
				assert_true(err == -EUCLEAN ||
					    err == -EBADMSG ||
					    err == -EPROTONOSUPPORT);
			else
				assert_prefix(&s, s.count);
			if (is_padding(&h, at) || is_first_padding(at))
				assert_int_equal(err, 0);
			else if (was_flushed(&h, at))
				assert_int_not_equal(err, 0);
			else
				assert_int_equal(err, 0);
		}
	}
	free(h.bytes);
}

/* The state of tags 0 to 19 is the one group 500. */
static int compact(struct journal *j)
{
	struct journal_compaction *c = NULL;
	uint8_t buf[GROUP_BYTES_MAX];
	int err = journal_compact_begin(j, &c);

	if (err)
		return err;
	for (uint64_t tag = 500; !err && tag < 510; tag++)
		err = journal_compact_append(c, buf, group_fill(tag, buf));
	if (err) {
		journal_compact_abort(c);
		return err;
	}
	return journal_compact_end(c);
}

static struct journal *two_segments(void)
{
	struct journal *j = create_journal('a');

	append(j, 1, 9);
	journal_close(j);
	j = reopen('a');
	append(j, 10, 19);
	sync_journal(j);
	return j;
}

static void test_journal__compaction_replaces_history(void **state)
{
	struct journal *j = two_segments();
	uint64_t before = journal_bytes(j);
	mapfs_lsn last = journal_last_lsn(j);

	assert_int_equal(compact(j), 0);
	assert_true(journal_bytes(j) < before);
	assert_true(journal_last_lsn(j) > last);
	assert_int_equal(files_in_dir(false), 1);
	append(j, 20, 22);
	journal_close(j);
	assert_seen('a', { 500, 509 }, { 20, 22 });
	assert_seen('b', { 500, 509 });
	j = reopen('a');
	append(j, 23, 23);
	assert_int_equal(compact(j), 0);
	journal_close(j);
	assert_seen('b', { 500, 509 });
	assert_int_equal(files_in_dir(false), 1);
}

static void test_journal__aborted_compaction_changes_nothing(void **state)
{
	struct journal *j = two_segments();
	struct journal_compaction *c = NULL;

	assert_int_equal(journal_compact_begin(j, &c), 0);
	assert_int_equal(journal_compact_append(c, "x", 1), 0);
	journal_compact_abort(c);
	assert_int_equal(files_in_dir(false), 2);
	append(j, 20, 20);
	journal_close(j);
	assert_seen('a', { 0, 20 });
}

/* A truncated compacted state must be rejected. */
static void test_journal__cut_compaction_is_damage(void **state)
{
	struct journal *j = two_segments();
	struct seen s;
	size_t bytes;
	uint8_t *p;

	assert_int_equal(compact(j), 0);
	journal_close(j);
	p = read_segment("3", &bytes);
	for (size_t cut = HEADER_BYTES; cut < bytes; cut += 7) {
		write_segment("3", p, cut);
		assert_int_equal(look('a', &s), -EBADMSG);
		assert_int_equal(look('b', &s), -EBADMSG);
	}
	free(p);
}

/* A journal that is compacted, and the outcomes that were seen. */
struct compaction_test {
	struct journal *j;
	bool seen_old;
	bool seen_new;
	unsigned int broken;
};

static void put_two_segments(void *arg)
{
	(void)arg;
	(void)files_in_dir(true);
	journal_close(two_segments());
}

static void reopen_to_compact(void *arg)
{
	struct compaction_test *c = arg;

	c->j = reopen('a');
}

static int compact_it(void *arg)
{
	const struct compaction_test *c = arg;

	return compact(c->j);
}

static void check_old_or_new(void *arg, int result)
{
	struct compaction_test *c = arg;
	struct journal *j;
	struct seen s[2];
	bool is_new;

	(void)result;
	assert_int_equal(look('a', &s[0]), 0);
	assert_int_equal(look('b', &s[1]), 0);
	is_new = seen_is(&s[0], RUNS({ 500, 509 }));
	c->seen_new |= is_new;
	c->seen_old |= !is_new;
	if (!is_new)
		assert_true(seen_is(&s[0], RUNS({ 0, 19 })));
	assert_int_equal(s[0].count, s[1].count);
	assert_int_equal(s[0].tag[0], s[1].tag[0]);
	j = reopen('a');
	append(j, 600, 600);
	journal_close(j);
	if (is_new) {
		assert_seen('a', { 500, 509 }, { 600, 600 });
		assert_int_equal(files_in_dir(false), 2);
	} else {
		assert_seen('a', { 0, 19 }, { 600, 600 });
		assert_int_equal(files_in_dir(false), 4);
	}
	(void)files_in_dir(true);
}

/*
 * Goal: death in a compaction leaves the old history or the new state, and the
 *       next writer removes the rest.
 */
static void test_journal__death_at_every_step_of_compaction(void **state)
{
	const struct points_test t = {
		.prepare = put_two_segments,
		.begin = reopen_to_compact,
		.operation = compact_it,
		.check = check_old_or_new,
	};
	struct compaction_test c = { .j = NULL };

	assert_true(points_kill(&t, &c) >= 15);
	assert_true(c.seen_old);
	assert_true(c.seen_new);
}

static void open_two_segments(void *arg)
{
	struct compaction_test *c = arg;

	c->j = two_segments();
}

static void check_after_failure(void *arg, int result)
{
	struct compaction_test *c = arg;

	if (try_append(c->j, 20) == 0) {
		sync_journal(c->j);
		journal_close(c->j);
		if (result == 0)
			assert_seen('b', { 500, 509 }, { 20, 20 });
		else
			assert_seen('b', { 0, 20 });
	} else {
		c->broken++;
		assert_int_equal(try_append(c->j, 20), -EROFS);
		assert_int_equal(journal_mark(c->j, GROUP_SYNC, 1), -EROFS);
		assert_int_equal(journal_flush(c->j), -EROFS);
		journal_close(c->j);
		assert_seen('b', { 500, 509 });
	}
	(void)files_in_dir(true);
}

/*
 * Goal: a compaction that fails changes nothing; if it is not known which
 *       segment counts, nothing more is accepted.
 */
static void test_journal__failure_at_every_step_of_compaction(void **state)
{
	const struct points_test t = {
		.begin = open_two_segments,
		.operation = compact_it,
		.check = check_after_failure,
	};
	struct compaction_test c = { .j = NULL };

	assert_true(points_fail(&t, EIO, &c) > 10);
	assert_int_equal(c.broken, 1); /* the flush of the directory */
}

static int create_it(void *arg)
{
	(void)arg;
	journal_close(create_journal('a'));
	return 0;
}

static void check_created_or_not(void *arg, int result)
{
	struct seen s;
	int err = look('b', &s);

	(void)arg;
	(void)result;
	if (err == 0)
		assert_prefix(&s, 1);
	else
		assert_int_equal(err, -ENOENT);
	if (err == -ENOENT)
		journal_close(create_journal('a'));
	assert_seen('b', { 0, 0 });
	(void)files_in_dir(true);
}

static void test_journal__death_at_every_step_of_creation(void **state)
{
	const struct points_test t = {
		.operation = create_it,
		.check = check_created_or_not,
	};

	assert_true(points_kill(&t, NULL) >= 5);
}

static int reopen_it(void *arg)
{
	struct journal *j = NULL;
	int err = try_reopen(*(const char *)arg, &j);

	if (!err)
		journal_close(j);
	return err;
}

static void check_nothing_lost(void *arg, int result)
{
	(void)arg;
	(void)result;
	assert_seen('b', { 0, 19 });
	assert_seen('c', { 0, 19 });
}

/* A second death at the same point is no other accident. */
static void test_journal__death_at_every_step_of_opening(void **state)
{
	const struct points_test t = {
		.prepare = put_two_segments,
		.operation = reopen_it,
		.check = check_nothing_lost,
		.dies_twice = true,
	};
	char epoch = 'b';

	assert_true(points_kill(&t, &epoch) >= 8);
}

static void check_can_be_used(void *arg, int result)
{
	struct journal *j = reopen('a');

	(void)arg;
	(void)result;
	append(j, 20, 20);
	journal_close(j);
	assert_seen('a', { 0, 20 });
	(void)files_in_dir(true);
}

static void test_journal__failure_at_every_step_of_opening(void **state)
{
	const struct points_test t = {
		.prepare = put_two_segments,
		.operation = reopen_it,
		.check = check_can_be_used,
	};
	char epoch = 'a';

	assert_true(points_fail(&t, EIO, &epoch) > 8);
}

#define LAST_TAG 150

struct append_test {
	struct journal *j;
	int error;   /* what a point fails with */
	size_t good; /* groups that were appended */
};

static void create_to_append(void *arg)
{
	struct append_test *a = arg;

	a->j = create_journal('a');
	a->good = 1;
}

static int append_until_last(void *arg)
{
	struct append_test *a = arg;
	int result = 0;

	for (uint64_t tag = 1; tag < LAST_TAG; tag++) {
		int err = try_append(a->j, tag);

		if (err && err != -ENOMEM)
			assert_int_equal(err, -a->error);
		a->good += err == 0;
		result = err ? err : result;
	}
	return result;
}

static void check_appended(void *arg, int result)
{
	struct append_test *a = arg;
	struct seen s;

	assert_int_equal(result == 0, a->good == LAST_TAG);
	append(a->j, LAST_TAG, LAST_TAG);
	journal_close(a->j);
	assert_int_equal(look('a', &s), 0);
	assert_int_equal(s.count, a->good + 1);
	assert_int_equal(s.tag[a->good], LAST_TAG);
	(void)files_in_dir(true);
}

/* Goal: an append that fails was never there, and the next one counts. */
static void test_journal__failed_append_was_never_there(void **state)
{
	const struct points_test t = {
		.prepare = create_to_append,
		.operation = append_until_last,
		.check = check_appended,
	};
	struct append_test full = { .error = ENOSPC };
	struct append_test broken = { .error = EIO };

	assert_true(points_fail(&t, full.error, &full) > LAST_TAG);
	assert_true(points_fail(&t, broken.error, &broken) > LAST_TAG);
}

/* The flushed part of a half-written group must not count. */
static void test_journal__group_half_overwritten_is_the_new_one(void **state)
{
	struct journal *j = create_journal('a');
	size_t end = (size_t)journal_bytes(j);
	uint8_t buf[GROUP_BYTES_MAX];
	int fd = openat(where_dir.dirfd, "1", O_RDWR | O_CLOEXEC);

	/* As after a write that failed in the middle. */
	assert_true(fd >= 0);
	memset(buf, 0x5a, sizeof(buf));
	assert_int_equal(io_pwrite_all("t", fd, buf, sizeof(buf), end), 0);
	close(fd);
	assert_seen('a', { 0, 0 });
	append(j, 1, 1);
	assert_seen('a', { 0, 1 });
	append(j, 2, 2);
	journal_close(j);
	assert_seen('a', { 0, 2 });
}

static void test_journal__failed_flush_is_reported_each_time(void **state)
{
	struct journal *j = create_journal('a');

	append(j, 1, 1);
	fault_arm_name("journal.flush", EIO);
	assert_int_equal(journal_flush(j), -EIO);
	fault_arm_name("journal.append", EIO);
	assert_int_equal(journal_mark(j, GROUP_SYNC, 1), -EIO);
	fault_disarm();
	journal_close(j);
	assert_seen('a', { 0, 1 });
	assert_seen('b', { 0, 0 });
}

static void test_journal__works_where_nothing_can_be_reserved(void **state)
{
	struct journal *j;
	struct stat st;

	fault_arm_name("journal.reserve", EOPNOTSUPP);
	j = create_journal('a');
	append(j, 1, 200);
	fault_disarm();
	append(j, 201, 210);
	assert_int_equal(fstatat(where_dir.dirfd, "1", &st, 0), 0);
	assert_int_equal(st.st_size, journal_bytes(j));
	journal_close(j);
	assert_seen('a', { 0, 210 });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_in_dir(test_journal__torn_at_every_byte),
		test_in_dir(test_journal__every_flipped_bit),
		test_in_dir(test_journal__compaction_replaces_history),
		test_in_dir(test_journal__aborted_compaction_changes_nothing),
		test_in_dir(test_journal__cut_compaction_is_damage),
		test_in_dir(test_journal__death_at_every_step_of_compaction),
		test_in_dir(test_journal__failure_at_every_step_of_compaction),
		test_in_dir(test_journal__death_at_every_step_of_creation),
		test_in_dir(test_journal__death_at_every_step_of_opening),
		test_in_dir(test_journal__failure_at_every_step_of_opening),
		test_in_dir(test_journal__failed_append_was_never_there),
		test_in_dir(
			test_journal__group_half_overwritten_is_the_new_one),
		test_in_dir(test_journal__failed_flush_is_reported_each_time),
		test_in_dir(test_journal__works_where_nothing_can_be_reserved),
	};

	if (!getenv("CMOCKA_MESSAGE_OUTPUT"))
		cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

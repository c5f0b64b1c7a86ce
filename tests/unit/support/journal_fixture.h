/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_JOURNAL_FIXTURE_H
#define MAPFS_TESTS_UNIT_SUPPORT_JOURNAL_FIXTURE_H

/*
 * A directory for the journal of each test, groups that are recognised by a
 * tag, and a replay that notes the tags it is given.
 *
 * Lifetime: journal_fixture_begin() and _end() are setup and teardown.
 * Errors:   anything unexpected fails the test.
 * Locking:  none.
 */
#include "core/journal/journal.h"

#define SEEN_MAX 4096
#define GROUP_BYTES_MAX 320

extern struct journal_where where_dir;

/* Tags of the groups that a replay was given. */
struct seen {
	uint64_t tag[SEEN_MAX];
	size_t count;
	mapfs_lsn last_lsn;
	uint64_t discarded;
};

int journal_fixture_begin(void **state);
int journal_fixture_end(void **state);
#define test_in_dir(fn)                                            \
	cmocka_unit_test_setup_teardown(fn, journal_fixture_begin, \
					journal_fixture_end)

/* Number of files in the directory; removes them if asked. */
unsigned int files_in_dir(bool remove);
/* The store is always the same. */
struct journal_id id_of(char epoch);
/* Length and bytes of the group with this tag. */
size_t group_bytes(uint64_t tag);
size_t group_fill(uint64_t tag, uint8_t *out);

/* A journal whose first group has the tag 0. */
struct journal *create_journal(char epoch);
/* Opens for writing: a new segment. */
int try_reopen(char epoch, struct journal **j);
struct journal *reopen(char epoch);
int try_append(struct journal *j, uint64_t tag);
void append(struct journal *j, uint64_t first, uint64_t last);
void sync_journal(struct journal *j);
/* Replays without touching the files. */
int look(char epoch, struct seen *s);
/* Are the groups exactly these, given as runs of tags? */
bool seen_is(const struct seen *s, const uint64_t (*runs)[2], size_t count);

#define RUNS(...)                                               \
	((const uint64_t[][2]){ __VA_ARGS__ }),                 \
		(sizeof((const uint64_t[][2]){ __VA_ARGS__ }) / \
		 sizeof(uint64_t[2]))

#define assert_seen(epoch, ...)                               \
	do {                                                  \
		struct seen s_;                               \
                                                              \
		assert_int_equal(look(epoch, &s_), 0);        \
		assert_true(seen_is(&s_, RUNS(__VA_ARGS__))); \
	} while (0)

/* The bytes of a segment, for the caller to free. */
uint8_t *read_segment(const char *name, size_t *bytes);
void write_segment(const char *name, const void *p, size_t bytes);
bool segment_exists(const char *name);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Which directory is the base of a store: recorded, identified by the root in
 * stores that have no record, and refused if another directory is at its path.
 */
#include "tests/unit/support/overlay_fixture.h"
#include "tests/unit/support/points.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/base.h"
#include "core/delta/record_decode.h"
#include "core/journal/journal.h"

static struct reason why;

/* The groups of a journal without the records of the base. */
struct stripped {
	struct group group[64];
	size_t count;
	uint64_t bases; /* RECORD_BASE that were left out */
};

static int strip_group(void *arg, mapfs_lsn lsn, const void *records,
		       size_t len)
{
	struct stripped *s = arg;
	struct group *g = &s->group[s->count];
	struct record r;
	size_t pos = 0;

	(void)lsn;
	assert_true(s->count < 64);
	group_init(g);
	while (record_next(records, len, &pos, &r) > 0) {
		if (r.type == RECORD_BASE)
			s->bases++;
		else
			group_add(g, &r);
	}
	assert_int_equal(group_error(g), 0);
	s->count += g->len_bytes > 0;
	return 0;
}

/* Makes it a store from before there was RECORD_BASE, and an anchor. */
static void make_old(struct fixture *f)
{
	struct stripped *s = calloc(1, sizeof(*s));
	struct journal_where where = { 0 };
	struct journal_id id = { 0 };
	struct journal_replay replay = { .fn = strip_group, .arg = s };
	struct journal *j;
	char anchor[128];
	char is[128];
	char was[128];

	(void)snprintf(anchor, sizeof(anchor), "%s/anchor", f->store);
	assert_int_equal(unlink(anchor), 0);
	(void)snprintf(is, sizeof(is), "%s/journal", f->store);
	(void)snprintf(was, sizeof(was), "%s/journal.was", f->dir);
	where.dirfd = open(is, O_RDONLY | O_DIRECTORY);
	assert_true(where.dirfd >= 0);
	assert_int_equal(journal_open(&j, &where, &id, true, &replay), 0);
	journal_close(j);
	close(where.dirfd);
	assert_true(s->bases > 0);
	assert_int_equal(rename(is, was), 0);
	assert_int_equal(mkdir(is, 0700), 0);
	where.dirfd = open(is, O_RDONLY | O_DIRECTORY);
	id.must_refuse &= ~(uint64_t)SEGMENT_HAS_ANCHOR;
	assert_int_equal(journal_create(&j, &where, &id, s->group[0].buf,
					s->group[0].len_bytes),
			 0);
	for (size_t n = 0; n < s->count; n++) {
		mapfs_lsn lsn;

		if (n > 0)
			assert_int_equal(journal_append(j, s->group[n].buf,
							s->group[n].len_bytes,
							&lsn),
					 0);
		group_fini(&s->group[n]);
	}
	assert_int_equal(journal_mark(j, GROUP_CLOSE, journal_last_lsn(j)), 0);
	assert_int_equal(journal_flush(j), 0);
	journal_close(j);
	close(where.dirfd);
	free(s);
}

static void change_file(struct fixture *f)
{
	struct mapfs_entry e;

	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "big", &e), 0);
	assert_int_equal(write_at(f->v, e.attr.ino, "mine", 4, 0), 4);
	mapfs_forget(f->v, e.attr.ino, 1);
}

static void change_root(struct fixture *f)
{
	struct mapfs_entry e;

	assert_int_equal(
		mapfs_mknod(f->v, NEW(&nobody, root_ino(f), "n", 0100644), &e),
		0);
	mapfs_forget(f->v, e.attr.ino, 1);
}

/* Another directory gets the path of the base, which is moved to `was`. */
static void replace_base(struct fixture *f, char was[128])
{
	(void)snprintf(was, 128, "%s/base.was", f->dir);
	assert_int_equal(rename(f->base, was), 0);
	assert_int_equal(mkdir(f->base, 0755), 0);
	put_file(f->base, "big", "other", 5);
}

static void put_back(struct fixture *f, const char *was)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/big", f->base);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(f->base), 0);
	assert_int_equal(rename(was, f->base), 0);
}

static void expect_replaced(struct fixture *f)
{
	int err = try_open_copy(f, MAPFS_STORE_DIR, &why);

	if (err != -EXDEV ||
	    !strstr(why.text, "was replaced; put the old one back"))
		print_message("%d: %s\n", err, why.text);
	assert_int_equal(err, -EXDEV);
	assert_non_null(strstr(why.text, "was replaced; put the old one back"));
}

static void test_base__another_directory_is_not_the_base(void **state)
{
	struct fixture *f = *state;
	char was[128];

	open_copy(f, MAPFS_STORE_DIR);
	change_file(f);
	close_copy(f);
	replace_base(f, was);
	expect_replaced(f);
	put_back(f, was);
	open_copy(f, MAPFS_STORE_DIR);
}

/* The root is in the delta, with its signature. */
static void test_base__old_store_knows_its_base_by_a_changed_root(void **state)
{
	struct fixture *f = *state;
	char was[128];

	open_copy(f, MAPFS_STORE_DIR);
	change_root(f);
	close_copy(f);
	make_old(f);
	replace_base(f, was);
	expect_replaced(f);
	put_back(f, was);
	/* A base that moved is known by its root, too. */
	assert_int_equal(rename(f->base, was), 0);
	memcpy(f->base, was, sizeof(f->base));
	open_copy(f, MAPFS_STORE_DIR);
}

static void test_base__old_store_records_its_base_when_opened(void **state)
{
	struct fixture *f = *state;
	enum mapfs_base_state base;
	char was[128];

	open_copy(f, MAPFS_STORE_DIR);
	change_file(f);
	close_copy(f);
	make_old(f);
	open_copy(f, MAPFS_STORE_DIR);
	close_copy(f);
	assert_int_equal(mapfs_base_state(f->store, &base, &why), 0);
	assert_int_equal(base, MAPFS_BASE_FITS);
	replace_base(f, was);
	assert_int_equal(mapfs_base_state(f->store, &base, &why), 0);
	assert_int_equal(base, MAPFS_BASE_REPLACED);
	expect_replaced(f);
	put_back(f, was);
	open_copy(f, MAPFS_STORE_DIR);
}

static void prepare_old(void *arg)
{
	struct fixture *f = arg;
	char cmd[256];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s %s/journal.was", f->store,
		       f->dir);
	assert_int_equal(system(cmd), 0);
	open_copy(f, MAPFS_STORE_DIR);
	change_file(f);
	close_copy(f);
	make_old(f);
}

static int open_and_close(void *arg)
{
	struct fixture *f = arg;
	int err = try_open_copy(f, MAPFS_STORE_DIR, &why);

	return err ? err : mapfs_view_close(f->v);
}

static void check_old(void *arg, int result)
{
	struct fixture *f = arg;

	(void)result;
	open_copy(f, MAPFS_STORE_DIR);
	assert_content(f, ino_of(f, root_ino(f), "big"), 0, "mine", 4);
	close_copy(f);
}

/* The first opening of a later version, killed at each step. */
static void test_base__old_store_gets_an_anchor_when_opened(void **state)
{
	const struct points_test test = {
		.prepare = prepare_old,
		.operation = open_and_close,
		.check = check_old,
		.dies_twice = true,
	};
	struct fixture *f = *state;
	char anchor[128];

	assert_true(points_kill(&test, f) > 10);
	(void)snprintf(anchor, sizeof(anchor), "%s/anchor", f->store);
	assert_int_equal(unlink(anchor), 0);
	assert_int_equal(try_open_copy(f, MAPFS_STORE_DIR, &why), -EUCLEAN);
	f->v = NULL;
}

static void test_base__snapshot_is_of_the_same_base(void **state)
{
	struct fixture *f = *state;
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base = f->base,
		.store = f->store,
		.snapshot = "a",
	};
	struct mapfs_view *v;
	char was[128];

	open_copy(f, MAPFS_STORE_DIR);
	change_root(f);
	assert_int_equal(mapfs_snapshot_create(f->v, "a", "", &why), 0);
	close_copy(f);
	replace_base(f, was);
	assert_int_equal(mapfs_view_open(&v, &opt, &why), -EXDEV);
	assert_non_null(strstr(why.text, "was replaced"));
	put_back(f, was);
	assert_int_equal(mapfs_view_open(&v, &opt, &why), 0);
	assert_int_equal(mapfs_view_close(v), 0);
	open_copy(f, MAPFS_STORE_DIR);
}

/* Goal: every field that both have can tell two directories apart. */
static void test_base__directories_are_compared_by_what_both_know(void **state)
{
	const struct base_identity all = {
		.ino = 7,
		.btime = { 1000, 5 },
		.handle_type = 1,
		.handle_sum = 99,
	};
	struct base_identity b = all;

	(void)state;
	assert_true(base_is_same(&all, &b, true));
	b.ino = 8;
	assert_false(base_is_same(&all, &b, false));
	b = all;
	b.btime.tv_nsec = 6;
	assert_false(base_is_same(&all, &b, false));
	b = all;
	b.handle_sum = 98; /* a snapshot of the file system */
	assert_true(base_is_same(&all, &b, false));
	assert_false(base_is_same(&all, &b, true));
	b.btime.tv_nsec = -1;
	assert_false(base_is_same(&all, &b, false));
	b.handle_type = 2; /* of another kernel */
	assert_true(base_is_same(&all, &b, true));
	b.handle_sum = 0;
	assert_true(base_is_same(&all, &b, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_copy(test_base__another_directory_is_not_the_base),
		test_with_copy(
			test_base__old_store_knows_its_base_by_a_changed_root),
		test_with_copy(
			test_base__old_store_records_its_base_when_opened),
		test_with_copy(test_base__old_store_gets_an_anchor_when_opened),
		test_with_copy(test_base__snapshot_is_of_the_same_base),
		test_with_copy(
			test_base__directories_are_compared_by_what_both_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

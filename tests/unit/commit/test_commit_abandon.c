/* SPDX-License-Identifier: MIT */
/*
 * A commit, or an undo, that was interrupted can be ended as it stands, whatever
 * is wrong with its files or with the base; the store is usable then [S6].
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/support/commit_fixture.h"
#include "tests/unit/support/points.h"
#include "tests/unit/support/tree_text.h"

struct round {
	struct fixture *f;
	unsigned int number;
	unsigned int lines;
};

static void prepare(void *arg)
{
	struct round *r = arg;
	struct fixture *f = fixture_create();

	assert_int_equal(mkdir(f->base, 0755), 0);
	assert_int_equal(mkdir(b_path(f, "d"), 0755), 0);
	b_put(f, "f", 'f', 9000, 0);
	b_put(f, "d/g", 'g', 9000, 0);
	b_put(f, "d/h", 'h', 9000, 0);
	open_view(f);
	v_write(f, "f", "changed", 7, 5000);
	v_rename(f, "d/g", "moved", 0);
	v_unlink(f, "d/h");
	v_put(f, "new", "new");
	close_view(f);
	r->f = f;
	r->number++;
}

static void prepare_committed(void *arg)
{
	struct round *r = arg;

	prepare(r);
	commit(r->f, MAPFS_STOP);
}

static int commit_once(void *arg)
{
	const struct round *r = arg;

	return try_commit(r->f, MAPFS_STOP);
}

static int undo_once(void *arg)
{
	const struct round *r = arg;

	return try_undo(r->f);
}

static void count_line(void *arg, const char *line)
{
	struct round *r = arg;

	assert_true(strlen(line) > 5);
	r->lines++;
}

static int abandon(struct round *r)
{
	struct mapfs_commit_options opt = commit_options(r->f, MAPFS_STOP);

	opt.base = NULL;
	opt.left_out = count_line;
	opt.left_out_arg = r;
	r->lines = 0;
	return mapfs_commit_abandon(&opt, &r->f->why);
}

static int abandon_once(void *arg)
{
	return abandon(arg);
}

static void store_path(const struct fixture *f, const char *name,
		       char path[160])
{
	(void)snprintf(path, 160, "%s/commit/%s", f->store, name);
}

static bool is_begun(const struct fixture *f)
{
	char path[160];

	store_path(f, "open", path);
	return access(path, F_OK) == 0;
}

/* Is the file of the view readable, or known to be changed below it? */
static void assert_drifts_or_shows(struct fixture *f, const char *path,
				   char want, uint64_t off)
{
	char got = '\0';
	ssize_t n = mapfs_read(f->v, mapfs_file_of(at(f, path)), &got, 1, off);

	assert_true(n == -EIO || (n == 1 && got == want));
}

/* Goal: the view has its changes again, and shows no mixture of versions. */
static void assert_usable(struct round *r)
{
	struct fixture *f = r->f;
	char got[3];

	assert_false(is_begun(f));
	open_view(f);
	assert_int_equal(mapfs_read(f->v, mapfs_file_of(at(f, "new")), got,
				    sizeof(got), 0),
			 sizeof(got));
	assert_memory_equal(got, "new", sizeof(got));
	assert_drifts_or_shows(f, "f", 'c', 5000);
	assert_drifts_or_shows(f, "f", 'f', 4095);
	assert_drifts_or_shows(f, "moved", 'g', 0);
	close_view(f);
	assert_int_equal(abandon(r), -ENOENT);
	assert_int_equal(mapfs_discard(f->store, &f->why), 0);
}

static void check_abandoned(void *arg, int result)
{
	struct round *r = arg;

	if (result && is_begun(r->f)) {
		assert_int_equal(abandon(r), 0);
		assert_true(r->lines > 1);
		assert_usable(r);
	}
	fixture_destroy(r->f);
}

static void test_abandon__ends_a_commit_killed_anywhere(void **state)
{
	const struct points_test t = {
		.prepare = prepare,
		.operation = commit_once,
		.check = check_abandoned,
	};
	struct round r = { .number = 0 };

	(void)state;
	assert_true(points_kill(&t, &r) > 50);
}

static void test_abandon__ends_an_undo_killed_anywhere(void **state)
{
	const struct points_test t = {
		.prepare = prepare_committed,
		.operation = undo_once,
		.check = check_abandoned,
	};
	struct round r = { .number = 0 };

	(void)state;
	assert_true(points_kill(&t, &r) > 50);
}

static int stop_after(void *arg, uint64_t done_bytes, uint64_t all_bytes)
{
	int *left = arg;

	(void)done_bytes;
	(void)all_bytes;
	return (*left)-- > 0 ? 0 : -EINTR;
}

/* Stops after so many steps, which is while the commit is under way. */
static void prepare_stopped_at(struct round *r, int steps)
{
	struct mapfs_commit_options opt;
	struct mapfs_commit *c;

	prepare(r);
	opt = commit_options(r->f, MAPFS_STOP);
	opt.progress = stop_after;
	opt.progress_arg = &steps;
	assert_int_equal(mapfs_commit_open(&c, &opt, &r->f->why), 0);
	assert_int_equal(mapfs_commit_run(c, &r->f->why), -EINTR);
	mapfs_commit_close(c);
	assert_true(is_begun(r->f));
}

static void prepare_stopped(void *arg)
{
	prepare_stopped_at(arg, 25);
}

static void check_abandoned_again(void *arg, int result)
{
	struct round *r = arg;

	if (result && is_begun(r->f))
		assert_int_equal(abandon(r), 0);
	assert_usable(r);
	fixture_destroy(r->f);
}

/* Goal: abandoning that is killed itself can be repeated. */
static void test_abandon__killed_anywhere_is_repeated(void **state)
{
	const struct points_test t = {
		.prepare = prepare_stopped,
		.operation = abandon_once,
		.check = check_abandoned_again,
	};
	struct round r = { .number = 0 };

	(void)state;
	assert_true(points_kill(&t, &r) > 5);
}

static void flip(const struct fixture *f, const char *name, off_t at)
{
	char path[160];
	uint8_t byte;
	int fd;

	store_path(f, name, path);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Goal: no damage of a commit's own files keeps the store locked. */
static void test_abandon__with_damaged_files(void **state)
{
	static const char *const files[] = { "open", "1/plan", "1/inos" };
	struct round r = { .number = 0 };
	char path[160];

	(void)state;
	for (size_t n = 0; n < sizeof(files) / sizeof(*files); n++) {
		prepare_stopped(&r);
		flip(r.f, files[n], 40);
		assert_int_equal(try_commit(r.f, MAPFS_STOP), -EBADMSG);
		assert_int_equal(try_undo(r.f), -EBADMSG);
		assert_int_equal(abandon(&r), 0);
		store_path(r.f, "1/left", path);
		assert_int_equal(access(path, F_OK), 0);
		assert_usable(&r);
		fixture_destroy(r.f);
	}
}

/* Goal: nor does a base that is gone. */
static void test_abandon__without_its_base(void **state)
{
	struct round r = { .number = 0 };
	char aside[128];

	(void)state;
	prepare_stopped(&r);
	(void)snprintf(aside, sizeof(aside), "%s/aside", r.f->dir);
	assert_int_equal(rename(r.f->base, aside), 0);
	assert_int_not_equal(try_undo(r.f), 0);
	assert_int_equal(abandon(&r), 0);
	assert_true(r.lines > 1);
	assert_false(is_begun(r.f));
	assert_int_equal(rename(aside, r.f->base), 0);
	assert_usable(&r);
	fixture_destroy(r.f);
}

/* Goal: the next commit and its undo do not touch what was abandoned. */
static void test_abandon__keeps_the_files_of_the_commit(void **state)
{
	struct round r = { .number = 0 };
	char path[160];

	(void)state;
	prepare_stopped(&r);
	assert_int_equal(abandon(&r), 0);
	open_view(r.f);
	v_put(r.f, "later", "later");
	close_view(r.f);
	commit(r.f, MAPFS_THEIRS);
	undo(r.f);
	store_path(r.f, "1/left", path);
	assert_int_equal(access(path, F_OK), 0);
	store_path(r.f, "1/saved", path);
	assert_int_equal(access(path, F_OK), 0);
	fixture_destroy(r.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_abandon__ends_a_commit_killed_anywhere),
		cmocka_unit_test(test_abandon__ends_an_undo_killed_anywhere),
		cmocka_unit_test(test_abandon__killed_anywhere_is_repeated),
		cmocka_unit_test(test_abandon__with_damaged_files),
		cmocka_unit_test(test_abandon__without_its_base),
		cmocka_unit_test(test_abandon__keeps_the_files_of_the_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Undoing several commits, and commits with snapshots; undoing as an ordinary
 * user where modes forbid even the owner to enter a directory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/branch_fixture.h"
#include "tests/unit/support/commit_fixture.h"
#include "tests/unit/support/points.h"
#include "tests/unit/support/tree_text.h"

static void make_base(const struct fixture *f)
{
	assert_int_equal(mkdir(f->base, 0755), 0);
	assert_int_equal(mkdir(b_path(f, "d"), 0755), 0);
	b_put(f, "f", 'f', 10000, 0);
	b_put(f, "d/g", 'g', 10000, 0);
	b_put(f, "d/h", 'h', 10000, 0);
}

static struct fixture *make_beside(void)
{
	struct fixture *f = fixture_create();

	make_base(f);
	return f;
}

/* The store on a disk, if the base is in memory. */
static struct fixture *make_apart(void)
{
	struct fixture *f = make_beside();

	(void)fixture_move_store(f);
	return f;
}

/* Three rounds of changes, each on top of the commit of the one before. */
static void change_first(struct fixture *f)
{
	open_view(f);
	v_write(f, "f", "1", 1, 0);
	v_put(f, "new", "made by the first");
	v_write(f, "d/h", "first", 5, 0);
	close_view(f);
}

static void change_second(struct fixture *f)
{
	open_view(f);
	v_write(f, "f", "2", 1, 5000);
	v_unlink(f, "new");
	v_unlink(f, "d/g");
	v_rename(f, "d", "e", 0);
	close_view(f);
}

static void change_third(struct fixture *f)
{
	open_view(f);
	v_write(f, "f", "3", 1, 10000);
	v_put(f, "new", "made by the third");
	v_unlink(f, "e/h");
	close_view(f);
}

/* The changes of the commit that was undone are there again. */
static void drop_changes(struct fixture *f)
{
	open_view(f);
	assert_int_equal(mapfs_revert(f->v, "", NULL, NULL, &f->why), 0);
	close_view(f);
}

static void undo_to(struct fixture *f, const char *want)
{
	undo(f);
	assert_base(f, want, "base after an undo");
}

static void commit_and_undo_rounds(struct fixture *f)
{
	char *none = base_text(f);
	char *first;
	char *second;

	change_first(f);
	commit(f, MAPFS_STOP);
	first = base_text(f);
	change_second(f);
	commit(f, MAPFS_STOP);
	second = base_text(f);
	change_third(f);
	commit(f, MAPFS_STOP);
	undo_to(f, second);
	drop_changes(f);
	undo_to(f, first);
	drop_changes(f);
	undo_to(f, none);
	free(second);
	free(first);
	free(none);
	fixture_destroy(f);
}

/* Goal: commits that changed the same objects are undone one after the other. */
static void test_undo__of_commits_in_a_row(void **state)
{
	(void)state;
	commit_and_undo_rounds(make_beside());
}

static void test_undo__of_commits_in_a_row_from_elsewhere(void **state)
{
	(void)state;
	commit_and_undo_rounds(make_apart());
}

/* Goal: a change by somebody else between two commits is noticed. */
static void test_undo__sees_what_others_did_between_commits(void **state)
{
	struct fixture *f = make_beside();

	(void)state;
	change_first(f);
	commit(f, MAPFS_STOP);
	b_put(f, "f", 'x', 1, 3);
	change_second(f);
	commit(f, MAPFS_STOP);
	undo(f);
	drop_changes(f);
	assert_int_equal(try_undo(f), -ESTALE);
	assert_non_null(strstr(f->why.text, "f: it was changed"));
	fixture_destroy(f);
}

static void expect_f(const char *store, const char *snapshot, char first)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = store,
		.snapshot = snapshot,
	};
	char buf[10000];
	struct mapfs_entry e;
	struct mapfs_view *v;
	struct reason why;

	assert_int_equal(mapfs_view_open(&v, &opt, &why), 0);
	assert_int_equal(mapfs_lookup(v, mapfs_root_ino(v), "f", &e), 0);
	assert_int_equal(mapfs_read(v, mapfs_file_of(e.attr.ino), buf,
				    sizeof(buf), 0),
			 sizeof(buf));
	assert_int_equal(buf[0], first);
	assert_int_equal(buf[9999], 'f');
	assert_int_equal(mapfs_view_close(v), 0);
}

/*
 * Goal: after an undo older snapshots show the same again, although the ctimes
 * in the base are not the same.
 */
static void test_undo__lets_older_snapshots_know_the_base_again(void **state)
{
	struct fixture *f = make_beside();
	char branch[256];

	(void)state;
	(void)snprintf(branch, sizeof(branch), "%.100s-branch", f->store);
	open_view(f);
	v_write(f, "f", "a", 1, 0);
	assert_int_equal(mapfs_snapshot_create(f->v, "a", "", &f->why), 0);
	v_write(f, "f", "b", 1, 0);
	v_unlink(f, "d/g");
	close_view(f);
	assert_int_equal(make_branch(f->store, "a", branch, &f->why), 0);
	for (int n = 0; n < 2; n++) {
		commit(f, MAPFS_STOP);
		undo(f);
		expect_f(f->store, "a", 'a');
		expect_f(branch, NULL, 'a');
		expect_f(f->store, NULL, 'b');
	}
	open_view(f);
	assert_int_equal(mapfs_rollback(f->v, "a", NULL, NULL, &f->why), 0);
	close_view(f);
	expect_f(f->store, NULL, 'a');
	commit(f, MAPFS_STOP);
	assert_int_equal(mapfs_discard(branch, &f->why), 0);
	fixture_destroy(f);
}

/* Changes in directories whose modes let only root work in them. */
static void lock_and_change(struct fixture *f)
{
	const struct mapfs_setattr open_mode = { .valid = MAPFS_SET_MODE,
						 .mode = 0700 };
	const struct mapfs_setattr no_mode = { .valid = MAPFS_SET_MODE };

	open_view(f);
	v_mkdir(f, "made");
	v_put(f, "made/1", "in a directory that nobody may enter");
	v_mkdir(f, "made/deep");
	v_put(f, "made/deep/2", "nor this");
	v_set(f, "d", &open_mode);
	v_unlink(f, "d/h");
	v_put(f, "d/i", "beside");
	v_write(f, "d/g", "G", 1, 0);
	v_set(f, "d", &no_mode);
	v_set(f, "made/deep", &no_mode);
	v_set(f, "made", &no_mode);
	close_view(f);
}

static void assert_mode(const struct fixture *f, const char *path, mode_t want)
{
	struct stat st;

	assert_int_equal(stat(b_path(f, path), &st), 0);
	assert_int_equal(st.st_mode & 07777, want);
}

/* Lets an ordinary user look into them. */
static void unlock(const struct fixture *f)
{
	assert_int_equal(chmod(b_path(f, "d"), 0700), 0);
	assert_int_equal(chmod(b_path(f, "made"), 0700), 0);
	assert_int_equal(chmod(b_path(f, "made/deep"), 0700), 0);
}

static void lock_again(const struct fixture *f)
{
	assert_int_equal(chmod(b_path(f, "made/deep"), 0), 0);
	assert_int_equal(chmod(b_path(f, "made"), 0), 0);
	assert_int_equal(chmod(b_path(f, "d"), 0), 0);
}

/* The argument of a points_test: a fixture that is new in each round. */
static void prepare_locked(void *arg)
{
	struct fixture **f = arg;

	*f = make_beside();
	assert_int_equal(chmod(b_path(*f, "d"), 0500), 0);
	(*f)->before = base_text(*f);
	lock_and_change(*f);
}

static void prepare_locked_commit(void *arg)
{
	struct fixture **f = arg;

	prepare_locked(f);
	commit(*f, MAPFS_STOP);
}

static int commit_once(void *arg)
{
	struct fixture **f = arg;

	return try_commit(*f, MAPFS_STOP);
}

static int undo_once(void *arg)
{
	struct fixture **f = arg;

	return try_undo(*f);
}

static void assert_committed(const struct fixture *f)
{
	assert_mode(f, "d", 0);
	assert_mode(f, "made", 0);
	unlock(f);
	assert_mode(f, "made/deep/2", 0640);
	assert_mode(f, "d/i", 0640);
	assert_int_equal(access(b_path(f, "d/h"), F_OK), -1);
	lock_again(f);
}

static void check_finished_then_undone(void *arg, int result)
{
	struct fixture *f = *(struct fixture **)arg;

	if (result)
		commit(f, MAPFS_STOP);
	assert_committed(f);
	undo(f);
	assert_base(f, f->before, "base after commit and undo");
	fixture_destroy(f);
}

static void check_undo_finished(void *arg, int result)
{
	struct fixture *f = *(struct fixture **)arg;
	int err = result ? try_undo(f) : 0;

	/* -ENOENT: it was complete but for its last words. */
	if (err != -ENOENT)
		assert_int_equal(err, 0);
	assert_base(f, f->before, "base after commit and undo");
	fixture_destroy(f);
}

static void kill_in_locked_directories(void *arg)
{
	const struct points_test commits = {
		.prepare = prepare_locked,
		.operation = commit_once,
		.check = check_finished_then_undone,
		.step = 3,
	};
	const struct points_test undos = {
		.prepare = prepare_locked_commit,
		.operation = undo_once,
		.check = check_undo_finished,
		.step = 3,
	};
	struct fixture *f = NULL;

	(void)arg;
	assert_true(points_kill(&commits, &f) > 30);
	assert_true(points_kill(&undos, &f) > 30);
}

/*
 * Goal: modes that lock out their owner stop neither commit nor undo, nor
 * finishing them after a kill.
 */
static void test_undo__in_directories_that_lock_out_their_owner(void **state)
{
	(void)state;
	run_as_user(kill_in_locked_directories, NULL);
}

/* In a base of another user, which everybody may write to. */
static void change_and_undo_others(void *arg)
{
	struct fixture *f = arg;

	open_view(f);
	v_write(f, "d/g", "G", 1, 0);
	v_unlink(f, "d/h");
	v_put(f, "d/i", "beside");
	close_view(f);
	commit(f, MAPFS_STOP);
	assert_int_equal(access(b_path(f, "d/i"), F_OK), 0);
	undo(f);
	assert_int_equal(access(b_path(f, "d/i"), F_OK), -1);
	assert_int_equal(access(b_path(f, "d/h"), F_OK), 0);
}

/*
 * Goal: an ordinary user commits to directories and files of others; that only
 * an owner may set times does not stop the commit halfway.
 */
static void test_undo__in_directories_of_others(void **state)
{
	struct fixture *f;

	(void)state;
	if (geteuid() != 0)
		skip();
	f = make_beside();
	assert_int_equal(chmod(f->dir, 0777), 0);
	assert_int_equal(chmod(f->base, 0777), 0);
	assert_int_equal(chmod(b_path(f, "d"), 0777), 0);
	assert_int_equal(chmod(b_path(f, "d/g"), 0666), 0);
	run_as_user(change_and_undo_others, f);
	fixture_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_undo__of_commits_in_a_row),
		cmocka_unit_test(test_undo__of_commits_in_a_row_from_elsewhere),
		cmocka_unit_test(
			test_undo__sees_what_others_did_between_commits),
		cmocka_unit_test(
			test_undo__lets_older_snapshots_know_the_base_again),
		cmocka_unit_test(
			test_undo__in_directories_that_lock_out_their_owner),
		cmocka_unit_test(test_undo__in_directories_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

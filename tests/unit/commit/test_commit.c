/* SPDX-License-Identifier: MIT */
/*
 * A commit makes the base what the view was, and its undo makes the base what it
 * was before; wherever one of them is killed, the next run completes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "tests/unit/support/commit_fixture.h"
#include "tests/unit/support/door.h"
#include "tests/unit/support/points.h"
#include "tests/unit/support/tree_text.h"

static void make_base(const struct fixture *f)
{
	assert_int_equal(mkdir(f->base, 0755), 0);
	assert_int_equal(mkdir(b_path(f, "d"), 0755), 0);
	assert_int_equal(mkdir(b_path(f, "d/e"), 0750), 0);
	assert_int_equal(mkdir(b_path(f, "d/e/deep"), 0755), 0);
	assert_int_equal(mkdir(b_path(f, "gone"), 0755), 0);
	assert_int_equal(mkdir(b_path(f, "gone/sub"), 0711), 0);
	assert_int_equal(mkdir(b_path(f, "swap"), 0755), 0);
	assert_int_equal(mkdir(b_path(f, "becomes-file"), 0755), 0);
	b_put(f, "same", 's', 100, 0);
	b_put(f, "big", 'b', 40000, 20480);
	b_put(f, "shrinks", 'S', 30000, 0);
	b_put(f, "grows", 'G', 5000, 0);
	b_put(f, "old", 'o', 10, 0);
	b_put(f, "d/a", 'a', 4096, 0);
	b_put(f, "d/e/c", 'c', 5000, 0);
	b_put(f, "d/e/deep/x", 'x', 50, 0);
	b_put(f, "gone/f", 'f', 9000, 0);
	b_put(f, "gone/sub/saved", 'v', 7, 0);
	b_put(f, "gone/sub/lost", 'l', 8, 0);
	b_put(f, "swap/1", '1', 11, 0);
	b_put(f, "swap/2", '2', 22, 0);
	b_put(f, "swap/3", '3', 33, 0);
	b_put(f, "linked", 'L', 6000, 0);
	assert_int_equal(link(b_path(f, "linked"), b_path(f, "d/linked2")), 0);
	assert_int_equal(link(b_path(f, "linked"), b_path(f, "gone/linked3")),
			 0);
	assert_int_equal(symlink("d/a", b_path(f, "link")), 0);
	assert_int_equal(symlink("nowhere", b_path(f, "gone/link")), 0);
	assert_int_equal(mkfifo(b_path(f, "gone/fifo"), 0604), 0);
	(void)setxattr(b_path(f, "old"), "user.was", "yes", 3, 0);
	(void)setxattr(b_path(f, "gone/f"), "user.kept", "also", 4, 0);
	assert_int_equal(utimensat(AT_FDCWD, b_path(f, "gone/sub"),
				   (struct timespec[2]){ { 5, 6 }, { 7, 8 } },
				   0),
			 0);
	assert_int_equal(utimensat(AT_FDCWD, f->base,
				   (struct timespec[2]){ { 1, 2 }, { 3, 4 } },
				   0),
			 0);
}

/* One of each kind of change that a view can make. */
static void change(struct fixture *f)
{
	v_write(f, "big", "page", 4, 30000);
	assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(at(f, "big")),
					 FALLOC_FL_PUNCH_HOLE |
						 FALLOC_FL_KEEP_SIZE,
					 40960, 8192),
			 0);
	v_set(f, "shrinks",
	      &(struct mapfs_setattr){ .valid = MAPFS_SET_SIZE,
				       .size_bytes = 5001 });
	v_set(f, "shrinks",
	      &(struct mapfs_setattr){ .valid = MAPFS_SET_SIZE,
				       .size_bytes = 20000 });
	v_write(f, "grows", "far", 3, 100000);
	v_put(f, "new", "fresh");
	v_write(f, "new", "sparse", 6, 70000);
	v_link(f, "new", "d/new2");
	v_mkdir(f, "made");
	v_mkdir(f, "made/inner");
	v_put(f, "made/inner/file", "in a new directory");
	v_symlink(f, "made/link", "inner/file");
	v_rename(f, "d", "made/moved", 0);
	v_rename(f, "made/moved/e", "e-up", 0);
	v_rename(f, "e-up/deep", "made/inner/deep", 0);
	v_write(f, "made/inner/deep/x", "X", 1, 0);
	v_rename(f, "swap/1", "swap/2", RENAME_EXCHANGE);
	v_rename(f, "swap/3", "swap/tmp", 0);
	v_rename(f, "swap/2", "swap/3", 0);
	v_rename(f, "swap/tmp", "swap/2", 0);
	v_rename(f, "gone/sub/saved", "saved", 0);
	v_unlink(f, "gone/sub/lost");
	v_rmdir(f, "gone/sub");
	v_unlink(f, "gone/f");
	v_unlink(f, "gone/link");
	v_unlink(f, "gone/fifo");
	v_unlink(f, "gone/linked3");
	v_rmdir(f, "gone");
	v_rmdir(f, "becomes-file");
	v_put(f, "becomes-file", "now a file");
	v_unlink(f, "link");
	v_mkdir(f, "link");
	v_write(f, "linked", "LINK", 4, 100);
	v_link(f, "linked", "made/linked4");
	v_set(f, "old",
	      &(struct mapfs_setattr){
		      .valid = MAPFS_SET_MODE | MAPFS_SET_MTIME,
		      .mode = 0600,
		      .mtime = { 1000, 17 },
	      });
	(void)!mapfs_removexattr(f->v, at(f, "old"), "user.was");
	(void)!set_xattr(f->v, at(f, "old"), "user.is", "new", 3);
}

static int setup(void **state)
{
	struct fixture *f = fixture_create();

	make_base(f);
	*state = f;
	return 0;
}

/* The argument of a points_test: a fixture that is new in each round. */
struct round {
	struct fixture *f;
	unsigned int number; /* from 1 */
};

/* Changes the view; `before` and `changed` are what base and view were then. */
static void prepare(struct round *r, struct fixture *f)
{
	make_base(f);
	f->before = base_text(f);
	open_view(f);
	change(f);
	f->changed = view_text(f);
	close_view(f);
	r->f = f;
	r->number++;
}

static void prepare_changed(void *arg)
{
	prepare(arg, fixture_create());
}

static void prepare_committed(void *arg)
{
	struct round *r = arg;

	prepare_changed(r);
	commit(r->f, MAPFS_STOP);
}

/* The store on another file system than the base. */
static void prepare_changed_apart(void *arg)
{
	struct fixture *f = fixture_create();

	assert_true(fixture_move_store(f));
	prepare(arg, f);
}

static void prepare_committed_apart(void *arg)
{
	struct round *r = arg;

	prepare_changed_apart(r);
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

/* A text with the number of the round; borrowed until the next call. */
static const char *in_round(const struct round *r, const char *what)
{
	static char text[128];

	(void)snprintf(text, sizeof(text), "%s in round %u", what, r->number);
	return text;
}

static void assert_committed(const struct round *r)
{
	assert_base(r->f, r->f->changed, in_round(r, "finished commit"));
	assert_view(r->f, r->f->changed, false,
		    in_round(r, "view of finished commit"));
}

static void assert_undone(const struct round *r)
{
	assert_base(r->f, r->f->before, in_round(r, "undone commit"));
	assert_view(r->f, r->f->changed, true,
		    in_round(r, "view of undone commit"));
}

static void test_commit__makes_the_base_the_view(void **state)
{
	struct fixture *f = *state;
	char *view;

	open_view(f);
	change(f);
	view = view_text(f);
	close_view(f);
	commit(f, MAPFS_STOP);
	assert_base(f, view, "view and committed base");
	free(view);
}

static void test_commit__undo_makes_the_base_what_it_was(void **state)
{
	struct fixture *f = *state;
	char *before = base_text(f);

	open_view(f);
	change(f);
	close_view(f);
	commit(f, MAPFS_STOP);
	undo(f);
	assert_base(f, before, "base before and after undo");
	free(before);
}

/* Undo is refused, with this word, and base and view stay as they are. */
static void assert_undo_refuses(struct fixture *f, int want, const char *word)
{
	char *base = base_text(f);
	char *view;
	char *now;

	open_view(f);
	view = view_text(f);
	close_view(f);
	assert_int_equal(try_undo(f), want);
	assert_non_null(strstr(f->why.text, word));
	now = base_text(f);
	assert_same_text(base, now, "base after a refused undo");
	free(now);
	open_view(f);
	now = view_text(f);
	assert_same_text(view, now, "view after a refused undo");
	close_view(f);
	free(now);
	free(view);
	free(base);
}

/* Goal: changes of the view after a commit are not lost by its undo. */
static void test_commit__undo_refuses_to_lose_later_changes(void **state)
{
	struct fixture *f = *state;
	char *before = base_text(f);
	char *after;

	open_view(f);
	change(f);
	close_view(f);
	commit(f, MAPFS_STOP);
	open_view(f);
	v_write(f, "same", "later", 5, 0);
	v_unlink(f, "old");
	close_view(f);
	assert_undo_refuses(f, -ENOTEMPTY, "mapfs revert");
	open_view(f);
	assert_int_equal(mapfs_revert(f->v, "", NULL, NULL, &f->why), 0);
	close_view(f);
	undo(f);
	after = base_text(f);
	assert_same_text(before, after, "base before and after undo");
	free(after);
	free(before);
}

/* Goal: the same for changes after a commit of a part. */
static void test_commit__undo_of_a_part_refuses_too(void **state)
{
	struct fixture *f = *state;

	open_view(f);
	change(f);
	close_view(f);
	assert_int_equal(commit_path(f, "big"), 0);
	open_view(f);
	v_write(f, "new", "later", 5, 0);
	close_view(f);
	assert_undo_refuses(f, -ENOTEMPTY, "mapfs revert");
	open_view(f);
	assert_int_equal(mapfs_revert(f->v, "", NULL, NULL, &f->why), 0);
	close_view(f);
	undo(f);
}

/* Goal: a snapshot taken after a commit is not lost by its undo. */
static void test_commit__undo_refuses_to_lose_a_snapshot(void **state)
{
	struct fixture *f = *state;

	open_view(f);
	change(f);
	close_view(f);
	commit(f, MAPFS_STOP);
	open_view(f);
	assert_int_equal(mapfs_snapshot_create(f->v, "since", "", &f->why), 0);
	close_view(f);
	assert_undo_refuses(f, -EBUSY, "since");
	open_view(f);
	assert_int_equal(mapfs_snapshot_delete(f->v, "since", &f->why), 0);
	close_view(f);
	undo(f);
}

/* -ENOENT: the undo was complete, or the commit was never begun. */
static void finish_undo(struct fixture *f)
{
	int err = try_undo(f);

	if (err != -ENOENT)
		assert_int_equal(err, 0);
}

static void check_finished_then_undone(void *arg, int result)
{
	const struct round *r = arg;

	if (result)
		commit(r->f, MAPFS_STOP);
	assert_committed(r);
	undo(r->f);
	assert_undone(r);
	fixture_destroy(r->f);
}

/* Kills a commit at each of its points, and checks what is left each time. */
static void kill_commits(void (*check)(void *arg, int result))
{
	const struct points_test t = {
		.prepare = prepare_changed,
		.operation = commit_once,
		.check = check,
	};
	struct round r = { .number = 0 };

	assert_true(points_kill(&t, &r) > 100);
}

/* Goal: a commit killed anywhere is finished by the next. */
static void test_commit__killed_anywhere_is_finished(void **state)
{
	(void)state;
	kill_commits(check_finished_then_undone);
}

static void check_undone_instead(void *arg, int result)
{
	const struct round *r = arg;

	(void)result;
	finish_undo(r->f);
	assert_undone(r);
	fixture_destroy(r->f);
}

/* Goal: a commit killed anywhere can be undone instead. */
static void test_commit__killed_anywhere_can_be_undone(void **state)
{
	(void)state;
	kill_commits(check_undone_instead);
}

static void check_undo_finished(void *arg, int result)
{
	const struct round *r = arg;

	if (result)
		finish_undo(r->f);
	assert_undone(r);
	fixture_destroy(r->f);
}

/* Goal: an undo killed anywhere is finished by the next. */
static void test_commit__undo_killed_anywhere_is_finished(void **state)
{
	const struct points_test t = {
		.prepare = prepare_committed,
		.operation = undo_once,
		.check = check_undo_finished,
	};
	struct round r = { .number = 0 };

	(void)state;
	assert_true(points_kill(&t, &r) > 100);
}

static bool has_another_file_system(void)
{
	struct fixture *f = fixture_create();
	bool has = fixture_move_store(f);

	fixture_destroy(f);
	return has;
}

/*
 * Goal: a removed object is copied completely where it cannot be moved.
 * Method: store and base on two file systems; commit and undo killed at
 * every few points, because each costs syncs of a disk.
 */
static void test_commit__store_on_another_file_system(void **state)
{
	const struct points_test commits = {
		.prepare = prepare_changed_apart,
		.operation = commit_once,
		.check = check_finished_then_undone,
		.step = 7,
	};
	const struct points_test undos = {
		.prepare = prepare_committed_apart,
		.operation = undo_once,
		.check = check_undo_finished,
		.step = 7,
	};
	struct round r = { .number = 0 };

	(void)state;
	if (!has_another_file_system())
		skip();
	assert_true(points_kill(&commits, &r) > 0);
	assert_true(points_kill(&undos, &r) > 0);
}

static bool is_begun(const struct fixture *f)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/commit/open", f->store);
	return access(path, F_OK) == 0;
}

static void check_got_over(void *arg, int result)
{
	const struct round *r = arg;
	struct fixture *f = r->f;

	if (result) {
		assert_false(reason_is_empty(&f->why));
		/* Begun: then the words say how to go on. */
		if (is_begun(f))
			assert_non_null(
				strstr(f->why.text, "finish the commit with"));
		commit(f, MAPFS_STOP);
	}
	assert_base(f, f->changed, in_round(r, "commit after an error"));
	undo(f);
	assert_base(f, f->before, in_round(r, "undone commit"));
	fixture_destroy(f);
}

/*
 * Goal: an error anywhere leaves something that can be finished.
 * Method: fail at each fault point in turn, as a full disk would.
 */
static void test_commit__error_anywhere_is_got_over(void **state)
{
	const struct points_test t = {
		.prepare = prepare_changed,
		.operation = commit_once,
		.check = check_got_over,
	};
	struct round r = { .number = 0 };

	(void)state;
	assert_true(points_fail(&t, ENOSPC, &r) > 100);
}

static int stop_after(void *arg, uint64_t done_bytes, uint64_t all_bytes)
{
	int *left = arg;

	(void)done_bytes;
	(void)all_bytes;
	return (*left)-- > 0 ? 0 : -EINTR;
}

/*
 * Goal: a commit that the user stops says how to go on, and the store cannot be
 * mounted until then.
 */
static void test_commit__stopped_refuses_to_be_mounted(void **state)
{
	struct fixture *f = *state;
	struct mapfs_commit_options opt = commit_options(f, MAPFS_STOP);
	const struct mapfs_options look = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base = f->base,
		.store = f->store,
	};
	struct mapfs_commit *c;
	int left = 60;
	char *view;
	char *base;

	open_view(f);
	change(f);
	view = view_text(f);
	close_view(f);
	opt.progress = stop_after;
	opt.progress_arg = &left;
	assert_int_equal(mapfs_commit_open(&c, &opt, &f->why), 0);
	assert_int_equal(mapfs_commit_run(c, &f->why), -EINTR);
	assert_non_null(strstr(f->why.text, "finish the commit with"));
	mapfs_commit_close(c);
	assert_int_equal(mapfs_view_open(&f->v, &look, &f->why), -EBUSY);
	assert_non_null(strstr(f->why.text, "interrupted"));
	commit(f, MAPFS_STOP);
	base = base_text(f);
	assert_same_text(view, base, "view and committed base");
	free(base);
	free(view);
}

/* The line of a path in a text; "" if there is none. */
static void line_of(const char *text, const char *path, char out[512])
{
	size_t len = strlen(path);

	out[0] = '\0';
	for (; *text; text += strcspn(text, "\n") + 1) {
		if (strncmp(text, path, len) != 0 || text[len] != ' ')
			continue;
		(void)snprintf(out, 512, "%.*s", (int)strcspn(text, "\n"),
			       text);
		return;
	}
}

static void assert_line(const char *want, const char *got, const char *path)
{
	char a[512];
	char b[512];

	line_of(want, path, a);
	line_of(got, path, b);
	assert_string_equal(a, b);
}

/*
 * Goal: a part is committed and nothing else; the view stays what it was.
 * Method: commit one part after the other, and look whether it is in the base
 * and the rest is not; at the end base and view are the same.
 */
static void test_commit__of_paths_leaves_the_rest(void **state)
{
	struct fixture *f = *state;
	static const char *const singles[] = { "big", "old", "gone/f" };
	char *before = base_text(f);
	char path[64];
	char *view;
	char *base;

	open_view(f);
	v_mkdir(f, "top");
	v_mkdir(f, "top/a");
	v_put(f, "top/a/1", "one");
	v_put(f, "top/2", "two");
	v_write(f, "big", "page", 4, 30000);
	v_write(f, "grows", "far", 3, 100000);
	v_rename(f, "d/e", "e", 0);
	v_put(f, "e/in", "in a moved directory");
	v_unlink(f, "gone/f");
	v_set(f, "old",
	      &(struct mapfs_setattr){ .valid = MAPFS_SET_MODE, .mode = 0600 });
	v_put(f, "new", "two names");
	v_link(f, "new", "d/new2");
	v_rename(f, "gone/sub/saved", "saved", 0);
	view = view_text(f);
	close_view(f);

	/* Renamed and linked: both names or none. */
	assert_int_equal(commit_path(f, "saved"), -EXDEV);
	assert_non_null(strstr(f->why.text, "gone/sub/saved"));
	assert_int_equal(commit_path(f, "new"), -EXDEV);
	base = base_text(f);
	assert_same_text(before, base, "base after refused commits");
	free(base);

	for (size_t n = 0; n < sizeof(singles) / sizeof(singles[0]); n++) {
		assert_int_equal(commit_path(f, singles[n]), 0);
		base = base_text(f);
		(void)snprintf(path, sizeof(path), "/%s", singles[n]);
		assert_line(view, base, path);
		assert_line(before, base, "/grows");
		assert_line(before, base, "/new");
		free(base);
		assert_view(f, view, true, "view of a commit of a part");
	}
	assert_int_equal(commit_path(f, "top/a/1"), 0);
	base = base_text(f);
	assert_line(view, base, "/top/a/1");
	assert_line(view, base, "/top/2");
	free(base);
	assert_view(f, view, true, "view of a new directory's commit");
	assert_int_equal(
		commit_paths(f, (const char *const[]){ "new", "d/new2" }, 2),
		0);
	assert_view(f, view, true, "view of linked names' commit");
	assert_int_equal(
		commit_paths(f, (const char *const[]){ "d/e", "e" }, 2), 0);
	assert_view(f, view, true, "view of a renamed directory's commit");
	undo(f);
	assert_view(f, view, true, "view of that undone");
	commit(f, MAPFS_STOP);
	assert_view(f, view, false, "view of the rest's commit");
	assert_base(f, view, "base after all parts");
	free(before);
	free(view);
}

#define CASE(name)                                                  \
	cmocka_unit_test_setup_teardown(test_commit__##name, setup, \
					fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(makes_the_base_the_view),
		CASE(undo_makes_the_base_what_it_was),
		CASE(undo_refuses_to_lose_later_changes),
		CASE(undo_of_a_part_refuses_too),
		CASE(undo_refuses_to_lose_a_snapshot),
		CASE(stopped_refuses_to_be_mounted),
		CASE(of_paths_leaves_the_rest),
		cmocka_unit_test(test_commit__killed_anywhere_is_finished),
		cmocka_unit_test(test_commit__killed_anywhere_can_be_undone),
		cmocka_unit_test(test_commit__undo_killed_anywhere_is_finished),
		cmocka_unit_test(test_commit__store_on_another_file_system),
		cmocka_unit_test(test_commit__error_anywhere_is_got_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

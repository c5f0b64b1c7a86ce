/* SPDX-License-Identifier: MIT */
/*
 * Conflicts between the view and the base: each kind is found before anything
 * is written, and either side can win.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/unit/support/commit_fixture.h"
#include "tests/unit/support/tree_text.h"

struct look {
	int count;
	enum mapfs_conflict_kind kind;
	char path[256];
	struct mapfs_diff_side ours;
	struct mapfs_diff_side theirs;
};

static int setup(void **state)
{
	struct fixture *f = fixture_create_on_disk();

	assert_int_equal(mkdir(f->base, 0755), 0);
	assert_int_equal(mkdir(b_path(f, "d"), 0755), 0);
	b_put(f, "a", 'a', 100, 0);
	b_put(f, "b", 'b', 20000, 0);
	b_put(f, "d/x", 'x', 100, 0);
	open_view(f);
	/* Something that is no conflict, to be applied or not. */
	v_put(f, "other", "no conflict");
	*state = f;
	return 0;
}

static int note(void *arg, const struct mapfs_conflict *x)
{
	struct look *l = arg;

	l->count++;
	l->kind = x->kind;
	l->ours = x->ours;
	l->theirs = x->theirs;
	(void)snprintf(l->path, sizeof(l->path), "%s", x->path);
	return 0;
}

/* Exactly this conflict is found, and stops the commit before it writes. */
static void assert_conflict(struct fixture *f, enum mapfs_conflict_kind kind,
			    const char *path, bool ours, bool theirs)
{
	const struct mapfs_commit_options opt = commit_options(f, MAPFS_STOP);
	struct mapfs_commit *c;
	struct look l = { 0 };
	char *before;
	char *after;

	close_view(f);
	before = base_text(f);
	assert_int_equal(mapfs_commit_open(&c, &opt, &f->why), 0);
	assert_int_equal(mapfs_commit_conflicts(c, note, &l), 1);
	assert_int_equal(l.count, 1);
	assert_string_equal(l.path, path);
	assert_int_equal(l.kind, kind);
	assert_int_equal(l.ours.mode != 0, ours);
	assert_int_equal(l.theirs.mode != 0, theirs);
	assert_int_equal(mapfs_commit_run(c, &f->why), -EEXIST);
	assert_non_null(strstr(f->why.text, path));
	mapfs_commit_close(c);
	after = base_text(f);
	assert_same_text(before, after, "base after a commit that stopped");
	free(before);
	free(after);
}

static bool is_there(const struct fixture *f, const char *path)
{
	struct stat st;

	return lstat(b_path(f, path), &st) == 0;
}

/* The first byte of a file of the base; 0: there is no such file. */
static char first_byte(const struct fixture *f, const char *path)
{
	int fd = open(b_path(f, path), O_RDONLY);
	char c = 0;

	if (fd < 0)
		return 0;
	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	return c;
}

/* The other changes are applied, and undone; then the view is as it was. */
static void resolve(struct fixture *f, enum mapfs_resolution who)
{
	char *before = base_text(f);
	char *after;

	commit(f, who);
	assert_true(is_there(f, "other"));
	undo(f);
	assert_false(is_there(f, "other"));
	after = base_text(f);
	assert_same_text(before, after, "base after undo");
	free(before);
	free(after);
	/* What was in conflict is so again. */
	assert_int_equal(try_commit(f, MAPFS_STOP), -EEXIST);
	commit(f, who);
	open_view(f);
	before = base_text(f);
	after = view_text(f);
	assert_same_text(before, after, "base and view after the commit");
	free(before);
	free(after);
	close_view(f);
}

static void content(struct fixture *f)
{
	v_write(f, "a", "view", 4, 0);
	b_put(f, "a", 'T', 100, 0);
	assert_conflict(f, MAPFS_CONFLICT_CONTENT, "a", true, true);
}

static void test_conflict__content_ours(void **state)
{
	content(*state);
	resolve(*state, MAPFS_OURS);
	assert_int_equal(first_byte(*state, "a"), 'v');
}

static void test_conflict__content_theirs(void **state)
{
	content(*state);
	resolve(*state, MAPFS_THEIRS);
	assert_int_equal(first_byte(*state, "a"), 'T');
}

/*
 * Goal: a file never becomes a mixture of two versions.
 * Method: a page is changed in the view, another page in the base.
 */
static void test_conflict__content_in_part_cannot_be_ours(void **state)
{
	struct fixture *f = *state;

	v_write(f, "b", "view", 4, 0);
	b_put(f, "b", 'T', 10, 10000);
	assert_conflict(f, MAPFS_CONFLICT_CONTENT, "b", true, true);
	assert_int_equal(try_commit(f, MAPFS_OURS), -ENODATA);
	assert_false(is_there(f, "other"));
	resolve(f, MAPFS_THEIRS);
	assert_int_equal(first_byte(f, "b"), 'b');
}

static void deleted(struct fixture *f)
{
	v_unlink(f, "a");
	b_put(f, "a", 'T', 50, 0);
	assert_conflict(f, MAPFS_CONFLICT_DELETED, "a", false, true);
}

static void test_conflict__deleted_ours(void **state)
{
	deleted(*state);
	resolve(*state, MAPFS_OURS);
	assert_false(is_there(*state, "a"));
}

static void test_conflict__deleted_theirs(void **state)
{
	deleted(*state);
	resolve(*state, MAPFS_THEIRS);
	assert_int_equal(first_byte(*state, "a"), 'T');
}

static void missing(struct fixture *f)
{
	v_write(f, "a", "view", 4, 0);
	assert_int_equal(unlink(b_path(f, "a")), 0);
	assert_conflict(f, MAPFS_CONFLICT_MISSING, "a", true, false);
}

static void test_conflict__missing_ours(void **state)
{
	missing(*state);
	resolve(*state, MAPFS_OURS);
	assert_int_equal(first_byte(*state, "a"), 'v');
}

static void test_conflict__missing_theirs(void **state)
{
	missing(*state);
	resolve(*state, MAPFS_THEIRS);
	assert_false(is_there(*state, "a"));
}

/*
 * Goal: nothing is put into a directory that has become a file.
 * Symptom: the plan could not be read back, so the commit could neither be
 * finished nor undone.
 */
static void test_conflict__directory_above_is_a_file_now(void **state)
{
	struct fixture *f = *state;

	v_write(f, "d/x", "view", 4, 0);
	assert_int_equal(unlink(b_path(f, "d/x")), 0);
	assert_int_equal(rmdir(b_path(f, "d")), 0);
	b_put(f, "d", 'T', 10, 0);
	assert_conflict(f, MAPFS_CONFLICT_MISSING, "d/x", true, false);
	assert_int_equal(try_commit(f, MAPFS_OURS), -ENODATA);
	assert_false(is_there(f, "other"));
	commit(f, MAPFS_THEIRS);
	assert_true(is_there(f, "other"));
	assert_int_equal(first_byte(f, "d"), 'T');
	undo(f);
	assert_false(is_there(f, "other"));
	assert_int_equal(first_byte(f, "d"), 'T');
}

/* Goal: a directory known in parts does not replace a complete one. */
static void test_conflict__replaced_directory_cannot_be_ours(void **state)
{
	struct fixture *f = *state;
	char was[128];

	v_put(f, "d/new", "view");
	(void)snprintf(was, sizeof(was), "%s/was", f->dir);
	assert_int_equal(rename(b_path(f, "d"), was), 0);
	assert_int_equal(mkdir(b_path(f, "d"), 0755), 0);
	b_put(f, "d/theirs", 'T', 10, 0);
	assert_conflict(f, MAPFS_CONFLICT_CONTENT, "d", true, true);
	assert_int_equal(try_commit(f, MAPFS_OURS), -ENODATA);
	assert_non_null(strstr(f->why.text, "only parts of this directory"));
	assert_false(is_there(f, "other"));
	commit(f, MAPFS_THEIRS);
	assert_int_equal(first_byte(f, "d/theirs"), 'T');
	assert_false(is_there(f, "d/new"));
	undo(f);
	assert_int_equal(first_byte(f, "d/theirs"), 'T');
	assert_false(is_there(f, "other"));
}

static void added(struct fixture *f)
{
	v_put(f, "new", "view");
	b_put(f, "new", 'T', 10, 0);
	assert_conflict(f, MAPFS_CONFLICT_ADDED, "new", true, true);
}

static void test_conflict__added_ours(void **state)
{
	added(*state);
	resolve(*state, MAPFS_OURS);
	assert_int_equal(first_byte(*state, "new"), 'v');
}

static void test_conflict__added_theirs(void **state)
{
	added(*state);
	resolve(*state, MAPFS_THEIRS);
	assert_int_equal(first_byte(*state, "new"), 'T');
}

static void added_tree(struct fixture *f)
{
	v_mkdir(f, "tree");
	v_put(f, "tree/view", "view");
	v_rename(f, "b", "tree/b", 0);
	assert_int_equal(mkdir(b_path(f, "tree"), 0755), 0);
	b_put(f, "tree/base", 'T', 10, 0);
	assert_conflict(f, MAPFS_CONFLICT_ADDED, "tree", true, true);
}

static void test_conflict__added_directory_ours(void **state)
{
	added_tree(*state);
	resolve(*state, MAPFS_OURS);
	assert_int_equal(first_byte(*state, "tree/b"), 'b');
	assert_int_equal(first_byte(*state, "tree/view"), 'v');
	assert_false(is_there(*state, "tree/base"));
	assert_false(is_there(*state, "b"));
}

static void test_conflict__added_directory_theirs(void **state)
{
	added_tree(*state);
	resolve(*state, MAPFS_THEIRS);
	assert_int_equal(first_byte(*state, "b"), 'b');
	assert_false(is_there(*state, "tree/view"));
	assert_int_equal(first_byte(*state, "tree/base"), 'T');
}

static void type(struct fixture *f)
{
	v_write(f, "a", "view", 4, 0);
	assert_int_equal(unlink(b_path(f, "a")), 0);
	assert_int_equal(symlink("d/x", b_path(f, "a")), 0);
	assert_conflict(f, MAPFS_CONFLICT_TYPE, "a", true, true);
}

static void test_conflict__type_ours(void **state)
{
	struct stat st;

	type(*state);
	resolve(*state, MAPFS_OURS);
	assert_int_equal(lstat(b_path(*state, "a"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(first_byte(*state, "a"), 'v');
	/* The link was replaced, not followed. */
	assert_int_equal(first_byte(*state, "d/x"), 'x');
}

static void test_conflict__type_theirs(void **state)
{
	struct stat st;

	type(*state);
	resolve(*state, MAPFS_THEIRS);
	assert_int_equal(lstat(b_path(*state, "a"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

static void not_empty(struct fixture *f)
{
	v_unlink(f, "d/x");
	v_rmdir(f, "d");
	b_put(f, "d/late", 'T', 10, 0);
	assert_conflict(f, MAPFS_CONFLICT_NOT_EMPTY, "d/late", false, true);
}

static void test_conflict__not_empty_ours(void **state)
{
	not_empty(*state);
	resolve(*state, MAPFS_OURS);
	assert_false(is_there(*state, "d"));
}

static void test_conflict__not_empty_theirs(void **state)
{
	not_empty(*state);
	resolve(*state, MAPFS_THEIRS);
	assert_int_equal(first_byte(*state, "d/late"), 'T');
	assert_false(is_there(*state, "d/x"));
}

static void directory_and_file(struct fixture *f)
{
	v_write(f, "a", "view", 4, 0);
	assert_int_equal(unlink(b_path(f, "a")), 0);
	assert_int_equal(mkdir(b_path(f, "a"), 0755), 0);
	b_put(f, "a/in", 'T', 10, 0);
	assert_conflict(f, MAPFS_CONFLICT_NOT_EMPTY, "a", true, true);
}

static void test_conflict__directory_against_file_ours(void **state)
{
	directory_and_file(*state);
	resolve(*state, MAPFS_OURS);
	assert_int_equal(first_byte(*state, "a"), 'v');
}

static void test_conflict__directory_against_file_theirs(void **state)
{
	directory_and_file(*state);
	resolve(*state, MAPFS_THEIRS);
	assert_int_equal(first_byte(*state, "a/in"), 'T');
}

/* Goal: two changes of different names in a directory are no conflict. */
static void test_conflict__mapped_file_is_in_use(void **state)
{
	struct fixture *f = *state;
	int fd = open(b_path(f, "b"), O_RDWR);
	void *map =
		mmap(NULL, 20000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(map, MAP_FAILED);
	close(fd);
	v_write(f, "b", "mine", 4, 0);
	assert_conflict(f, MAPFS_CONFLICT_IN_USE, "b", true, true);
	munmap(map, 20000);
	commit(f, MAPFS_STOP);
	assert_int_equal(first_byte(f, "b"), 'm');
}

static void test_conflict__in_use_ours(void **state)
{
	struct fixture *f = *state;
	int fd = open(b_path(f, "b"), O_RDWR);

	v_write(f, "b", "mine", 4, 0);
	assert_conflict(f, MAPFS_CONFLICT_IN_USE, "b", true, true);
	commit(f, MAPFS_OURS);
	assert_int_equal(first_byte(f, "b"), 'm');
	close(fd);
}

static void test_conflict__in_use_theirs(void **state)
{
	struct fixture *f = *state;
	int fd = open(b_path(f, "b"), O_RDWR);

	v_write(f, "b", "mine", 4, 0);
	assert_conflict(f, MAPFS_CONFLICT_IN_USE, "b", true, true);
	commit(f, MAPFS_THEIRS);
	assert_int_equal(first_byte(f, "b"), 'b');
	close(fd);
}

static void test_conflict__mode_of_a_file_in_use_is_none(void **state)
{
	struct fixture *f = *state;
	int fd = open(b_path(f, "b"), O_RDWR);

	v_set(f, "b",
	      &(struct mapfs_setattr){ .valid = MAPFS_SET_MODE, .mode = 0600 });
	close_view(f);
	commit(f, MAPFS_STOP);
	close(fd);
}

static void test_conflict__other_names_in_a_directory_are_none(void **state)
{
	struct fixture *f = *state;

	v_put(f, "d/view", "view");
	b_put(f, "d/base", 'T', 10, 0);
	close_view(f);
	commit(f, MAPFS_STOP);
	assert_int_equal(first_byte(f, "d/view"), 'v');
	assert_int_equal(first_byte(f, "d/base"), 'T');
}

static void test_conflict__undo_refuses_what_was_changed_since(void **state)
{
	struct fixture *f = *state;
	char *before;
	char *after;

	v_write(f, "a", "view", 4, 0);
	close_view(f);
	commit(f, MAPFS_STOP);
	b_put(f, "a", 'L', 10, 0);
	before = base_text(f);
	assert_int_equal(try_undo(f), -ESTALE);
	assert_non_null(strstr(f->why.text, "a: "));
	after = base_text(f);
	assert_same_text(before, after, "base after an undo that refused");
	free(before);
	free(after);
}

/* Goal: a change made while the user is asked is not overwritten. */
static void test_conflict__made_after_the_plan_was_shown(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_commit_options opt = commit_options(f, MAPFS_STOP);
	struct mapfs_commit *c;
	char *before;
	char *after;

	v_write(f, "a", "view", 4, 0);
	close_view(f);
	assert_int_equal(mapfs_commit_open(&c, &opt, &f->why), 0);
	assert_int_equal(mapfs_commit_conflicts(c, NULL, NULL), 0);
	b_put(f, "a", 'L', 10, 0);
	before = base_text(f);
	assert_int_equal(mapfs_commit_run(c, &f->why), -EEXIST);
	assert_non_null(strstr(f->why.text, "a: "));
	mapfs_commit_close(c);
	after = base_text(f);
	assert_same_text(before, after, "base after a commit that stopped");
	free(before);
	free(after);
}

/* Stops as soon as the commit has begun. */
static int stop_when_begun(void *arg, uint64_t done_bytes, uint64_t all_bytes)
{
	const struct fixture *f = arg;
	char path[256];

	(void)done_bytes;
	(void)all_bytes;
	(void)snprintf(path, sizeof(path), "%s/commit/open", f->store);
	return access(path, F_OK) == 0 ? -EINTR : 0;
}

static void begin_and_stop(struct fixture *f)
{
	struct mapfs_commit_options opt = commit_options(f, MAPFS_STOP);
	struct mapfs_commit *c;

	opt.progress = stop_when_begun;
	opt.progress_arg = f;
	assert_int_equal(mapfs_commit_open(&c, &opt, &f->why), 0);
	assert_int_equal(mapfs_commit_run(c, &f->why), -EINTR);
	mapfs_commit_close(c);
}

/*
 * Goal: changes of the base while a commit is interrupted are not overwritten,
 * and do not prevent that the commit is undone.
 */
static void test_conflict__made_while_it_was_interrupted(void **state)
{
	struct fixture *f = *state;

	v_write(f, "a", "view", 4, 0);
	v_unlink(f, "b");
	v_put(f, "new", "view");
	v_unlink(f, "d/x");
	close_view(f);
	begin_and_stop(f);
	b_put(f, "a", 'L', 10, 0);
	b_put(f, "tmp", 'R', 10, 0);
	assert_int_equal(rename(b_path(f, "tmp"), b_path(f, "b")), 0);
	b_put(f, "new", 'N', 10, 0);
	assert_int_equal(unlink(b_path(f, "d/x")), 0);
	assert_int_equal(try_commit(f, MAPFS_STOP), -ESTALE);
	undo(f);
	assert_int_equal(first_byte(f, "a"), 'L');
	assert_int_equal(first_byte(f, "b"), 'R');
	assert_int_equal(first_byte(f, "new"), 'N');
	assert_false(is_there(f, "d/x"));
}

/* Goal: the same if only the bytes of a file were changed. */
static void test_conflict__content_while_it_was_interrupted(void **state)
{
	struct fixture *f = *state;

	v_write(f, "a", "view", 4, 0);
	close_view(f);
	begin_and_stop(f);
	b_put(f, "a", 'L', 10, 0);
	assert_int_equal(try_commit(f, MAPFS_STOP), -ESTALE);
	assert_non_null(strstr(f->why.text, "a: "));
	assert_int_equal(first_byte(f, "a"), 'L');
	undo(f);
	assert_int_equal(first_byte(f, "a"), 'L');
	assert_int_equal(try_commit(f, MAPFS_STOP), -EEXIST);
}

/* Goal: a file that others removed before the commit kept it is not needed. */
static void test_conflict__removed_while_it_was_interrupted(void **state)
{
	struct fixture *f = *state;

	v_unlink(f, "b");
	close_view(f);
	begin_and_stop(f);
	assert_int_equal(unlink(b_path(f, "b")), 0);
	commit(f, MAPFS_STOP);
	assert_true(is_there(f, "other"));
	undo(f);
	assert_false(is_there(f, "other"));
	assert_false(is_there(f, "b"));
}

/*
 * Goal: that a deep tree was removed is found out in no time.
 * Method: each directory on the way is renamed, so it has two places.
 */
static void test_conflict__deep_tree_removed_while_interrupted(void **state)
{
	struct fixture *f = *state;
	char from[256] = "";
	char to[256] = "";

	close_view(f);
	for (int n = 0; n < 30; n++) {
		(void)snprintf(from + strlen(from), 16, "%sd%d", n ? "/" : "",
			       n);
		assert_int_equal(mkdir(b_path(f, from), 0755), 0);
	}
	open_view(f);
	from[0] = '\0';
	for (int n = 0; n < 30; n++) {
		(void)snprintf(from, sizeof(from), "%s%sd%d", to, n ? "/" : "",
			       n);
		(void)snprintf(to + strlen(to), 16, "%se%d", n ? "/" : "", n);
		v_rename(f, from, to, 0);
	}
	v_put(f, "new", "view");
	close_view(f);
	begin_and_stop(f);
	remove_tree(b_path(f, "d0"));
	commit(f, MAPFS_STOP);
	assert_true(is_there(f, "new"));
	undo(f);
	assert_false(is_there(f, "d0"));
	assert_false(is_there(f, "new"));
}

#define CASE(name)                                                    \
	cmocka_unit_test_setup_teardown(test_conflict__##name, setup, \
					fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(content_ours),
		CASE(content_theirs),
		CASE(content_in_part_cannot_be_ours),
		CASE(deleted_ours),
		CASE(deleted_theirs),
		CASE(missing_ours),
		CASE(missing_theirs),
		CASE(directory_above_is_a_file_now),
		CASE(replaced_directory_cannot_be_ours),
		CASE(added_ours),
		CASE(added_theirs),
		CASE(added_directory_ours),
		CASE(added_directory_theirs),
		CASE(type_ours),
		CASE(type_theirs),
		CASE(not_empty_ours),
		CASE(not_empty_theirs),
		CASE(directory_against_file_ours),
		CASE(directory_against_file_theirs),
		CASE(mapped_file_is_in_use),
		CASE(in_use_ours),
		CASE(in_use_theirs),
		CASE(mode_of_a_file_in_use_is_none),
		CASE(other_names_in_a_directory_are_none),
		CASE(undo_refuses_what_was_changed_since),
		CASE(made_after_the_plan_was_shown),
		CASE(made_while_it_was_interrupted),
		CASE(content_while_it_was_interrupted),
		CASE(removed_while_it_was_interrupted),
		CASE(deep_tree_removed_while_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

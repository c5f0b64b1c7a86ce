/* SPDX-License-Identifier: MIT */
/*
 * Others remove or replace parts of the base while a commit, or its undo, is
 * interrupted: the rest is finished or undone, and nothing of what the others
 * had left in the base is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/commit_fixture.h"
#include "tests/unit/support/points.h"
#include "tests/unit/support/tree_text.h"

#define OBJECTS_MAX 64
#define FILES 10
#define LETTER_AT 9000

/* Objects: a directory by its inode number, a file by a letter in it. */
struct objects {
	uint64_t key[OBJECTS_MAX];
	unsigned int count;
};

struct round {
	struct fixture *f;
	unsigned int number;
	struct objects first;	/* of the base, before any change */
	struct objects survive; /* those that the others have left */
	unsigned int left_out;	/* lines, of all rounds */
	bool has_theirs;	/* they put a file into r */
	bool is_apart;		/* the store is on another file system */
};

/* For the callbacks of nftw(3), which take no argument. */
static struct objects *walked;
static bool is_apart;

static int note(const char *path, const struct stat *st, int type,
		struct FTW *at)
{
	uint64_t key = st->st_ino;

	(void)at;
	/* A removed directory is made again where it cannot be moved. */
	if (type == FTW_D && is_apart)
		return 0;
	if (type != FTW_D) {
		char letter = '\0';
		int fd = open(path, O_RDONLY | O_NOFOLLOW);

		if (fd < 0 || pread(fd, &letter, 1, LETTER_AT) != 1)
			letter = '\0';
		if (fd >= 0)
			close(fd);
		if (letter < 'A' || letter >= 'A' + FILES)
			return 0;
		key = (uint64_t)letter;
	}
	assert_true(walked->count < OBJECTS_MAX);
	walked->key[walked->count++] = key;
	return 0;
}

static void add_objects(struct objects *o, const char *dir)
{
	walked = o;
	(void)nftw(dir, note, 16, FTW_PHYS);
	walked = NULL;
}

static bool has_object(const struct objects *o, uint64_t key)
{
	for (unsigned int n = 0; n < o->count; n++)
		if (o->key[n] == key)
			return true;
	return false;
}

/* Base and store: what a commit removes from the one is in the other. */
static void look_everywhere(const struct fixture *f, struct objects *o)
{
	char path[128];

	*o = (struct objects){ 0 };
	add_objects(o, f->base);
	(void)snprintf(path, sizeof(path), "%s/commit", f->store);
	add_objects(o, path);
}

static void make_base(const struct fixture *f)
{
	static const char *const dirs[] = { "", "d", "d/e", "k", "k/z", "r" };
	static const char *const files[FILES] = {
		"d/a", "d/b", "d/c",   "d/e/x", "k/f",
		"k/g", "k/h", "k/z/y", "top",	"linked",
	};

	for (size_t n = 0; n < sizeof(dirs) / sizeof(*dirs); n++)
		assert_int_equal(mkdir(b_path(f, dirs[n]), 0755), 0);
	for (size_t n = 0; n < FILES; n++)
		b_put(f, files[n], (char)('A' + n), LETTER_AT + 1, 0);
	assert_int_equal(link(b_path(f, "linked"), b_path(f, "d/linked")), 0);
}

static void change(struct fixture *f)
{
	v_write(f, "d/a", "changed", 7, 0);
	v_write(f, "k/f", "changed", 7, 0);
	v_write(f, "top", "changed", 7, 0);
	v_rename(f, "d/b", "k/b", 0);
	v_rename(f, "k/g", "d/g", 0);
	v_unlink(f, "d/c");
	v_unlink(f, "k/h");
	v_rename(f, "d/e", "k/e", 0);
	v_mkdir(f, "d/made");
	v_put(f, "d/made/in", "new");
	v_rename(f, "k/z", "d/made/z", 0);
	v_put(f, "k/new", "new");
	v_link(f, "d/linked", "k/linked");
	v_unlink(f, "linked");
	v_rmdir(f, "r");
}

static void prepare(void *arg)
{
	struct round *r = arg;

	r->f = fixture_create();
	r->number++;
	if (r->is_apart)
		(void)fixture_move_store(r->f);
	is_apart = r->is_apart;
	r->first = (struct objects){ 0 };
	r->survive = (struct objects){ 0 };
	make_base(r->f);
	add_objects(&r->first, r->f->base);
	open_view(r->f);
	change(r->f);
	close_view(r->f);
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

static void replace(const struct fixture *f, const char *path)
{
	if (unlink(b_path(f, path)) == 0)
		b_put(f, path, 'o', 3, 0);
}

static void take_name(const struct fixture *f, const char *path)
{
	if (access(b_path(f, path), F_OK) < 0)
		b_put(f, path, 'o', 3, 0);
}

/* What others do; each round something else. */
static void interfere(struct round *r)
{
	const struct fixture *f = r->f;
	struct objects before = { 0 };
	struct objects base = { 0 };
	struct objects now;
	char aside[128];

	add_objects(&before, f->base);
	(void)snprintf(aside, sizeof(aside), "%s/aside", f->dir);
	switch (r->number % 8) {
	case 0:
		remove_tree(b_path(f, "d"));
		break;
	case 1:
		assert_int_equal(rename(b_path(f, "d"), aside), 0);
		assert_int_equal(symlink("/etc", b_path(f, "d")), 0);
		break;
	case 2:
		remove_tree(b_path(f, "k"));
		break;
	case 3:
		remove_tree(b_path(f, "k"));
		b_put(f, "k", 'o', 3, 0);
		remove_tree(b_path(f, "d"));
		break;
	case 4:
		replace(f, "d/c");
		replace(f, "k/f");
		break;
	case 5:
		take_name(f, "k/new");
		take_name(f, "k/b");
		take_name(f, "d/made");
		take_name(f, "k/g");
		break;
	case 6:
		(void)unlink(b_path(f, "d/linked"));
		(void)unlink(b_path(f, "linked"));
		break;
	case 7:
		if (access(b_path(f, "r"), F_OK) == 0)
			b_put(f, "r/theirs", 'o', 3, 0);
		r->has_theirs = access(b_path(f, "r/theirs"), F_OK) == 0;
		break;
	default:
		assert_true(false);
	}
	look_everywhere(f, &now);
	add_objects(&base, f->base);
	for (unsigned int n = 0; n < r->first.count; n++) {
		const uint64_t key = r->first.key[n];

		/* Of what they removed the store may have a copy. */
		if (has_object(&now, key) &&
		    (has_object(&base, key) || !has_object(&before, key)))
			r->survive.key[r->survive.count++] = key;
	}
}

/* Goal: what the others left in the base is in the base, or in the store. */
static void assert_nothing_lost(const struct round *r)
{
	struct objects now;

	look_everywhere(r->f, &now);
	for (unsigned int n = 0; n < r->survive.count; n++)
		if (!has_object(&now, r->survive.key[n]))
			fail_msg("round %u: object %lu was lost", r->number,
				 (unsigned long)r->survive.key[n]);
}

/* Goal: what cannot be moved, or removed, is where it was. */
static void assert_put_back(const struct round *r)
{
	if (r->number % 8 == 2 && has_object(&r->survive, 'D'))
		assert_int_equal(access(b_path(r->f, "d/e/x"), F_OK), 0);
	if (r->number % 8 == 7 && r->has_theirs)
		assert_int_equal(access(b_path(r->f, "r/theirs"), F_OK), 0);
}

static void assert_shown(struct round *r)
{
	open_view(r->f);
	close_view(r->f);
}

static void count_left_out(void *arg, const char *line)
{
	struct round *r = arg;

	assert_non_null(strstr(line, ": "));
	r->left_out++;
}

static int finish(struct round *r)
{
	struct mapfs_commit_options opt = commit_options(r->f, MAPFS_STOP);
	struct mapfs_commit *c;
	int err;

	opt.left_out = count_left_out;
	opt.left_out_arg = r;
	err = mapfs_commit_open(&c, &opt, &r->f->why);
	if (err)
		return err;
	err = mapfs_commit_run(c, &r->f->why);
	mapfs_commit_close(c);
	return err;
}

static bool is_begun(const struct fixture *f)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/commit/open", f->store);
	return access(path, F_OK) == 0;
}

static void assert_done(const struct round *r, const char *what, int err)
{
	if (err)
		fail_msg("round %u: %s: %s", r->number, what, r->f->why.text);
}

static void check_finished(void *arg, int result)
{
	struct round *r = arg;
	int err;

	if (result && is_begun(r->f)) {
		interfere(r);
		err = finish(r);
		/* Then nothing of it was written, and undoing is what helps. */
		if (err == -ESTALE)
			err = try_undo(r->f);
		assert_done(r, "finish", err);
		assert_put_back(r);
		assert_nothing_lost(r);
		assert_shown(r);
	}
	fixture_destroy(r->f);
}

static void check_undone(void *arg, int result)
{
	struct round *r = arg;

	if (result && is_begun(r->f)) {
		interfere(r);
		assert_done(r, "undo", try_undo(r->f));
		assert_put_back(r);
		assert_nothing_lost(r);
		assert_shown(r);
	}
	fixture_destroy(r->f);
}

/* Goal: a commit is finished without what others removed or replaced. */
static void test_lost__commit_is_finished(void **state)
{
	const struct points_test t = {
		.prepare = prepare,
		.operation = commit_once,
		.check = check_finished,
	};
	struct round r = { .number = 0 };

	(void)state;
	assert_true(points_kill(&t, &r) > 50);
	/* It is told, too. */
	assert_true(r.left_out > 50);
}

/* Goal: or it is undone. */
static void test_lost__commit_is_undone(void **state)
{
	const struct points_test t = {
		.prepare = prepare,
		.operation = commit_once,
		.check = check_undone,
	};
	struct round r = { .number = 0 };

	(void)state;
	assert_true(points_kill(&t, &r) > 50);
}

/* Goal: the same for an undo that was interrupted. */
static void test_lost__undo_is_finished(void **state)
{
	const struct points_test t = {
		.prepare = prepare_committed,
		.operation = undo_once,
		.check = check_undone,
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

/* A commit that stops in one of its phases, and then others are at work. */
static void prepare_stopped(void *arg)
{
	struct round *r = arg;
	struct mapfs_commit_options opt;
	struct mapfs_commit *c;
	int left;

	prepare(r);
	opt = commit_options(r->f, MAPFS_STOP);
	left = 10 + (int)(r->number * 13 % 120);
	opt.progress = stop_after;
	opt.progress_arg = &left;
	assert_int_equal(mapfs_commit_open(&c, &opt, &r->f->why), 0);
	(void)!mapfs_commit_run(c, &r->f->why);
	mapfs_commit_close(c);
	if (is_begun(r->f))
		interfere(r);
}

static void check_finished_again(void *arg, int result)
{
	struct round *r = arg;
	int err;

	(void)result;
	if (is_begun(r->f)) {
		err = finish(r);
		if (err == -ESTALE)
			err = try_undo(r->f);
		assert_done(r, "finish", err);
	}
	assert_nothing_lost(r);
	assert_shown(r);
	/* What it left out does not stop its undo; what others made may. */
	err = try_undo(r->f);
	if (err != -ENOENT &&
	    (err != -EEXIST || !strstr(r->f->why.text, "move that away")))
		assert_done(r, "undo", err);
	assert_nothing_lost(r);
	fixture_destroy(r->f);
}

/* Goal: a second kill, while the rest is finished, changes nothing of that. */
static void test_lost__finish_is_killed_too(void **state)
{
	const struct points_test t = {
		.prepare = prepare_stopped,
		.operation = commit_once,
		.check = check_finished_again,
	};
	struct round r = { .number = 0 };

	(void)state;
	assert_true(points_kill(&t, &r) > 20);
}

/*
 * Goal: all of that where a removed object is copied, not moved.
 * Method: at every few points, because each costs syncs of a disk.
 */
static void test_lost__store_on_another_file_system(void **state)
{
	const struct points_test commits = {
		.prepare = prepare,
		.operation = commit_once,
		.check = check_finished,
		.step = 5,
	};
	const struct points_test undos = {
		.prepare = prepare_committed,
		.operation = undo_once,
		.check = check_undone,
		.step = 5,
	};
	struct round r = { .is_apart = true };

	(void)state;
	assert_true(points_kill(&commits, &r) > 50);
	assert_true(points_kill(&undos, &r) > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost__commit_is_finished),
		cmocka_unit_test(test_lost__commit_is_undone),
		cmocka_unit_test(test_lost__undo_is_finished),
		cmocka_unit_test(test_lost__finish_is_killed_too),
		cmocka_unit_test(test_lost__store_on_another_file_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * What a command leaves that is killed while it makes or removes a store.
 *
 * In every test the operation is killed at each of its fault points in turn.
 */
#include <sys/stat.h>

#include "tests/unit/support/branch_fixture.h"
#include "tests/unit/support/overlay_fixture.h"
#include "tests/unit/support/points.h"

static struct reason why;

struct scene {
	struct fixture *f;
	char made[128];		/* what the operation makes or removes */
	bool parent_goes_first; /* ... before the leftover is discarded */
	unsigned int seen[MAPFS_LEFTOVER_REMOVED + 1]; /* rounds with this */
	unsigned int whole;			       /* rounds with a store */
};

static struct scene scene_of(void **state)
{
	struct scene s = { .f = *state };

	(void)snprintf(s.made, sizeof(s.made), "%s/made", s.f->dir);
	return s;
}

static void remove_all(const struct scene *s)
{
	char cmd[512];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s %s", s->f->store, s->made);
	assert_int_equal(system(cmd), 0);
}

static void prepare_nothing(void *arg)
{
	remove_all(arg);
}

static void prepare_parent(void *arg)
{
	struct scene *s = arg;

	remove_all(s);
	open_copy(s->f, MAPFS_STORE_DIR);
	assert_int_equal(mapfs_snapshot_create(s->f->v, "old", "", &why), 0);
	close_copy(s->f);
}

static void prepare_branch(void *arg)
{
	struct scene *s = arg;

	prepare_parent(s);
	assert_int_equal(make_branch(s->f->store, "old", s->made, &why), 0);
}

static int open_made(const struct scene *s, bool is_part, struct mapfs_view **v)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base = s->f->base,
		.store = s->made,
		.is_part = is_part,
	};

	return mapfs_view_open(v, &opt, &why);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* Is there a store?  Else a leftover that can be discarded, or nothing. */
static bool made_is_whole(struct scene *s)
{
	enum mapfs_leftover kind;
	struct mapfs_view *v;

	if (!is_there(s->made))
		return false;
	assert_int_equal(mapfs_leftover(s->made, &kind, &why), 0);
	s->seen[kind]++;
	if (kind == MAPFS_LEFTOVER_NONE) {
		s->whole++;
		return true;
	}
	assert_non_null(strstr(why.text, "remove it with `mapfs discard /"));
	if (kind == MAPFS_LEFTOVER_PART || kind == MAPFS_LEFTOVER_REMOVED) {
		assert_int_equal(open_made(s, false, &v), -ENOTEMPTY);
		assert_non_null(strstr(why.text, "`mapfs discard /"));
		assert_int_equal(open_made(s, true, &v), -ENOTEMPTY);
	}
	return false;
}

static void discard_made(const struct scene *s)
{
	if (!is_there(s->made))
		return;
	assert_int_equal(mapfs_may_discard(s->made, &why), 0);
	assert_int_equal(mapfs_discard(s->made, &why), 0);
	assert_false(is_there(s->made));
}

/* The parent can be used, and nothing that is gone holds it. */
static void free_parent(const struct scene *s)
{
	struct fixture *f = s->f;

	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(mapfs_snapshot_create(f->v, "new", "", &why), 0);
	if (mapfs_snapshot_delete(f->v, "old", &why))
		fail_msg("%s", why.text);
	close_copy(f);
}

static void discard_parent(const struct scene *s)
{
	if (mapfs_may_discard(s->f->store, &why) ||
	    mapfs_discard(s->f->store, &why))
		fail_msg("%s", why.text);
	assert_false(is_there(s->f->store));
}

static int run_branch(void *arg)
{
	struct scene *s = arg;

	return make_branch(s->f->store, "old", s->made, &why);
}

static void check_branch(void *arg, int result)
{
	struct scene *s = arg;
	const bool is_whole = made_is_whole(s);

	assert_true(result || is_whole);
	if (is_whole) {
		open_copy(s->f, MAPFS_STORE_DIR);
		assert_int_equal(mapfs_snapshot_delete(s->f->v, "old", &why),
				 -EBUSY);
		close_copy(s->f);
		assert_int_equal(mapfs_discard(s->f->store, &why), -EBUSY);
	}
	if (is_whole || !s->parent_goes_first)
		discard_made(s);
	free_parent(s);
	discard_parent(s);
	discard_made(s);
}

static void check_branch_after_parent(void *arg, int result)
{
	struct scene *s = arg;

	if (made_is_whole(s)) {
		check_branch(arg, result);
		return;
	}
	/* Not even the snapshot is deleted first. */
	discard_parent(s);
	discard_made(s);
}

static void test_branch__killed_never_blocks_its_parent(void **state)
{
	struct points_test test = {
		.prepare = prepare_parent,
		.operation = run_branch,
		.check = check_branch,
		.all = true,
	};
	struct scene s = scene_of(state);

	assert_true(points_kill(&test, &s) > 10);
	assert_true(s.seen[MAPFS_LEFTOVER_EMPTY] > 0);
	assert_true(s.seen[MAPFS_LEFTOVER_PART] > 5);
	assert_true(s.whole > 1);
	s.parent_goes_first = true;
	(void)points_kill(&test, &s);
	test.check = check_branch_after_parent;
	(void)points_kill(&test, &s);
}

static int run_discard(void *arg)
{
	return mapfs_discard(((struct scene *)arg)->made, &why);
}

static void check_discard(void *arg, int result)
{
	struct scene *s = arg;

	(void)made_is_whole(s);
	assert_true(result || !is_there(s->made));
	discard_made(s);
	free_parent(s);
	discard_parent(s);
}

static void test_discard__killed_can_be_repeated(void **state)
{
	const struct points_test test = {
		.prepare = prepare_branch,
		.operation = run_discard,
		.check = check_discard,
		.all = true,
	};
	struct scene s = scene_of(state);

	assert_true(points_kill(&test, &s) > 5);
	assert_true(s.seen[MAPFS_LEFTOVER_REMOVED] > 3);
	assert_true(s.seen[MAPFS_LEFTOVER_NEW] > 0);
	assert_true(s.seen[MAPFS_LEFTOVER_EMPTY] > 0);
}

/* As `mapfs import` does it. */
static int run_part(void *arg)
{
	const struct mapfs_cred root = { 0 };
	struct scene *s = arg;
	struct mapfs_entry e;
	struct mapfs_view *v;
	int err = open_made(s, true, &v);

	if (err)
		return err;
	err = mapfs_mknod(
		v, NEW(&root, mapfs_root_ino(v), "imported", S_IFREG | 0600),
		&e);
	if (!err && write_at(v, e.attr.ino, "bytes", 5, 0) != 5)
		err = -EIO;
	if (mapfs_view_close(v))
		err = -EIO;
	return err ? err : mapfs_store_finish(s->made, &why);
}

static void check_part(void *arg, int result)
{
	struct scene *s = arg;
	const bool is_whole = made_is_whole(s);
	struct mapfs_entry e;
	struct mapfs_view *v;
	char got[5];

	assert_true(result || is_whole);
	if (is_whole) {
		assert_int_equal(open_made(s, true, &v), -EEXIST);
		assert_int_equal(open_made(s, false, &v), 0);
		assert_int_equal(
			mapfs_lookup(v, mapfs_root_ino(v), "imported", &e), 0);
		assert_int_equal(
			mapfs_read(v, mapfs_file_of(e.attr.ino), got, 5, 0), 5);
		assert_memory_equal(got, "bytes", 5);
		assert_int_equal(mapfs_view_close(v), 0);
	}
	discard_made(s);
}

static void test_part__is_whole_or_a_leftover(void **state)
{
	const struct points_test test = {
		.prepare = prepare_nothing,
		.operation = run_part,
		.check = check_part,
		.all = true,
	};
	struct scene s = scene_of(state);

	assert_true(points_kill(&test, &s) > 10);
	assert_true(s.seen[MAPFS_LEFTOVER_PART] > 10);
	assert_true(s.whole > 1);
}

static int run_store(void *arg)
{
	struct mapfs_view *v;
	int err = open_made(arg, false, &v);

	return err ? err : mapfs_view_close(v);
}

static void check_store(void *arg, int result)
{
	struct scene *s = arg;

	assert_true(made_is_whole(s) || result);
	discard_made(s);
}

static void check_store_again(void *arg, int result)
{
	struct mapfs_view *v;

	(void)result;
	assert_int_equal(open_made(arg, false, &v), 0);
	assert_int_equal(mapfs_view_close(v), 0);
	discard_made(arg);
}

static void test_store__killed_while_new_can_be_used_or_discarded(void **state)
{
	struct points_test test = {
		.prepare = prepare_nothing,
		.operation = run_store,
		.check = check_store,
		.all = true,
	};
	struct scene s = scene_of(state);

	assert_true(points_kill(&test, &s) > 10);
	assert_true(s.seen[MAPFS_LEFTOVER_NEW] > 3);
	assert_int_equal(s.seen[MAPFS_LEFTOVER_PART], 0);
	test.check = check_store_again;
	(void)points_kill(&test, &s);
}

static void expect_none(const struct scene *s, const char *file)
{
	enum mapfs_leftover kind;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", s->made, file);
	assert_int_equal(mapfs_leftover(s->made, &kind, &why), 0);
	assert_int_equal(kind, MAPFS_LEFTOVER_NONE);
	assert_int_not_equal(mapfs_may_discard(s->made, &why), 0);
	assert_int_not_equal(mapfs_discard(s->made, &why), 0);
	assert_true(is_there(path));
}

/* Goal: no file of somebody is removed because of its name. */
static void test_leftover__is_nothing_of_somebodys(void **state)
{
	static const struct {
		const char *files[3]; /* made in this order, with these ... */
		const char *bytes[3];
	} others[] = {
		{ { "lock" }, { "held by make\n" } },
		{ { "README" }, { "" } },
		{ { "lock", "README" }, { "", "A project\n" } },
		{ { "lock", "pages" }, { "", "bytes" } },
		{ { "lock", "branches" }, { "", "" } },
		{ { "lock", "mine" }, { "", "" } },
		{ { "journal.part" }, { "" } },
		{ { "journal", "lock" }, { "", "" } },
		{ { "journal.part/mine" }, { "" } },
		{ { "journal.part/1", "mine" }, { "", "" } },
		{ { "journal/mine" }, { "" } },
		{ { "journal/1", "journal/1.old" }, { "", "" } },
	};
	struct scene s = scene_of(state);

	for (size_t n = 0; n < sizeof(others) / sizeof(*others); n++) {
		char cmd[512];

		remove_all(&s);
		assert_int_equal(mkdir(s.made, 0700), 0);
		for (size_t m = 0; m < 3 && others[n].files[m]; m++) {
			const char *file = others[n].files[m];

			(void)snprintf(cmd, sizeof(cmd),
				       "mkdir -p $(dirname %s/%s)", s.made,
				       file);
			assert_int_equal(system(cmd), 0);
			put_file(s.made, file, others[n].bytes[m],
				 strlen(others[n].bytes[m]));
		}
		for (size_t m = 0; m < 3 && others[n].files[m]; m++)
			expect_none(&s, others[n].files[m]);
	}
	/* An empty directory with other rights was made by somebody else. */
	remove_all(&s);
	assert_int_equal(mkdir(s.made, 0755), 0);
	expect_none(&s, ".");
}

/* A power cut: the sizes are on the disk, and zeros in place of the bytes. */
static void test_leftover__may_have_zeros_for_texts(void **state)
{
	static const char zeros[33];
	struct scene s = scene_of(state);
	enum mapfs_leftover kind;
	char path[256];

	remove_all(&s);
	(void)snprintf(path, sizeof(path), "%s/journal.part", s.made);
	assert_int_equal(mkdir(s.made, 0700), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	put_file(s.made, "lock", zeros, sizeof(zeros));
	put_file(s.made, "README", zeros, sizeof(zeros));
	assert_int_equal(mapfs_leftover(s.made, &kind, &why), 0);
	assert_int_equal(kind, MAPFS_LEFTOVER_PART);
	assert_int_equal(mapfs_discard(s.made, &why), 0);
	assert_false(is_there(s.made));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_copy(test_branch__killed_never_blocks_its_parent),
		test_with_copy(test_discard__killed_can_be_repeated),
		test_with_copy(test_part__is_whole_or_a_leftover),
		test_with_copy(
			test_store__killed_while_new_can_be_used_or_discarded),
		test_with_copy(test_leftover__is_nothing_of_somebodys),
		test_with_copy(test_leftover__may_have_zeros_for_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * A view without a base: its root, and the store that records that there is
 * no base.
 */
#include "tests/unit/support/overlay_fixture.h"

#include <ctype.h>
#include <dirent.h>
#include <sys/stat.h>

#include "core/journal/segment.h"
#include "core/lib/io.h"
#include "core/lib/timespec.h"
#include "tests/unit/support/branch_fixture.h"

static struct reason why;

static int try_open_none(struct fixture *f, enum mapfs_store_kind kind)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = kind,
		.base_kind = MAPFS_BASE_NONE,
		.base = MAPFS_NO_BASE,
		.store = kind == MAPFS_STORE_DIR ? f->store : NULL,
	};

	return mapfs_view_open(&f->v, &opt, &why);
}

static void open_none(struct fixture *f, enum mapfs_store_kind kind)
{
	int err = try_open_none(f, kind);

	if (err)
		print_message("%s\n", why.text);
	assert_int_equal(err, 0);
}

static struct mapfs_attr root_attr(struct fixture *f)
{
	struct mapfs_attr a;

	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(root_ino(f)), &a),
			 0);
	return a;
}

static mapfs_ino make_file(struct fixture *f, const char *name)
{
	struct mapfs_entry e;

	assert_int_equal(
		mapfs_mknod(f->v, NEW(&nobody, root_ino(f), name, 0100644), &e),
		0);
	assert_int_equal(write_at(f->v, e.attr.ino, name, strlen(name), 0),
			 strlen(name));
	mapfs_forget(f->v, e.attr.ino, 1);
	return e.attr.ino;
}

static int count_name(void *arg, const struct mapfs_dirent *d)
{
	(void)d;
	(*(int *)arg)++;
	return 0;
}

static int names_of_root(struct fixture *f)
{
	int names = 0;
	const struct mapfs_readdir all = { .fn = count_name, .arg = &names };

	assert_int_equal(mapfs_readdir(f->v, root_ino(f), &all), 0);
	return names;
}

/* "." and ".." are the names of an empty directory. */
static void test_none__a_view_begins_empty_and_takes_files(void **state)
{
	struct fixture *f = *state;
	struct mapfs_entry e;
	char buf[8];

	open_none(f, MAPFS_STORE_MEMORY);
	assert_int_equal(names_of_root(f), 2);
	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "big", &e), -ENOENT);
	make_file(f, "one");
	assert_int_equal(names_of_root(f), 3);
	assert_int_equal(
		mapfs_read(f->v, mapfs_file_of(ino_of(f, root_ino(f), "one")),
			   buf, sizeof(buf), 0),
		3);
	assert_memory_equal(buf, "one", 3);
	assert_int_equal(mapfs_base_fd(f->v), -1);
}

static void test_none__the_root_can_be_changed(void **state)
{
	struct fixture *f = *state;
	struct mapfs_setattr set = {
		.valid = MAPFS_SET_MODE | MAPFS_SET_UID,
		.mode = 0700,
		.uid = 77,
	};
	const struct mapfs_setxattr x = {
		.name = "user.a",
		.value = "b",
		.len = 1,
	};
	struct mapfs_attr a;
	char buf[8];

	open_none(f, MAPFS_STORE_DIR);
	assert_int_equal(
		mapfs_setattr(f->v, mapfs_file_of(root_ino(f)), &set, &a), 0);
	assert_int_equal(mapfs_listxattr(f->v, root_ino(f), buf, sizeof(buf)),
			 0);
	assert_int_equal(mapfs_setxattr(f->v, root_ino(f), &x), 0);
	close_copy(f);
	open_none(f, MAPFS_STORE_DIR);
	a = root_attr(f);
	assert_int_equal(a.mode, S_IFDIR | 0700);
	assert_int_equal(a.uid, 77);
	assert_int_equal(mapfs_getxattr(f->v, root_ino(f), "user.a", buf,
					sizeof(buf)),
			 1);
}

/* Waits for the clock of the view to move on. */
static void wait_for_tick(struct timespec since)
{
	struct timespec now;

	do {
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while (!timespec_is_after(now, since));
}

static void assert_same_root(struct fixture *f, const struct mapfs_attr *a)
{
	const struct mapfs_attr b = root_attr(f);

	assert_int_equal(a->ino, b.ino);
	assert_int_equal(a->mode, b.mode);
	assert_int_equal(a->nlink, b.nlink);
	assert_int_equal(a->uid, b.uid);
	assert_int_equal(a->gid, b.gid);
	assert_true(timespec_is_equal(a->ctime, b.ctime));
	assert_true(timespec_is_equal(a->mtime, b.mtime));
	assert_true(timespec_is_equal(a->btime, b.btime));
}

/*
 * Goal: whoever opens the store, and when, its root is the one it was made
 * with.
 * Method: open it later, as another user, by each way that finds no base named.
 */
static void test_none__the_root_is_the_same_after_a_remount(void **state)
{
	const struct mapfs_options unnamed = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.look_only = true,
	};
	struct fixture *f = *state;
	struct mapfs_options opt = unnamed;
	struct mapfs_attr a;

	open_none(f, MAPFS_STORE_DIR);
	assert_int_equal(mapfs_snapshot_create(f->v, "s", "", &why), 0);
	a = root_attr(f);
	close_copy(f);
	wait_for_tick(a.ctime);
	if (geteuid() == 0) {
		assert_int_equal(setegid(1), 0);
		open_none(f, MAPFS_STORE_DIR);
		assert_int_equal(setegid(0), 0);
	} else {
		open_none(f, MAPFS_STORE_DIR);
	}
	assert_same_root(f, &a);
	close_copy(f);
	opt.store = f->store;
	assert_int_equal(mapfs_view_open(&f->v, &opt, &why), 0);
	assert_same_root(f, &a);
	close_copy(f);
	opt.snapshot = "s";
	assert_int_equal(mapfs_view_open(&f->v, &opt, &why), 0);
	assert_same_root(f, &a);
	close_copy(f);
	opt.snapshot = NULL;
	opt.without_base = true;
	assert_int_equal(mapfs_view_open(&f->v, &opt, &why), 0);
	assert_same_root(f, &a);
}

/* The record of the base must survive a new journal, too. */
static void test_none__the_root_is_the_same_after_a_rollback(void **state)
{
	struct fixture *f = *state;
	struct mapfs_attr a;

	open_none(f, MAPFS_STORE_DIR);
	a = root_attr(f);
	assert_int_equal(mapfs_snapshot_create(f->v, "s", "", &why), 0);
	make_file(f, "later");
	assert_int_equal(mapfs_rollback(f->v, "s", NULL, NULL, &why), 0);
	assert_same_root(f, &a);
	close_copy(f);
	wait_for_tick(a.ctime);
	open_none(f, MAPFS_STORE_DIR);
	assert_same_root(f, &a);
	assert_int_equal(names_of_root(f), 2);
}

static void test_none__a_branch_has_the_root_of_its_parent(void **state)
{
	struct fixture *f = *state;
	struct mapfs_attr a;
	char branch[sizeof(f->store)];

	open_none(f, MAPFS_STORE_DIR);
	make_file(f, "old");
	assert_int_equal(mapfs_snapshot_create(f->v, "s", "", &why), 0);
	a = root_attr(f);
	close_copy(f);
	wait_for_tick(a.ctime);
	(void)snprintf(branch, sizeof(branch), "%s/branch", f->dir);
	assert_int_equal(make_branch(f->store, "s", branch, &why), 0);
	memcpy(f->store, branch, sizeof(branch));
	open_none(f, MAPFS_STORE_DIR);
	assert_same_root(f, &a);
	(void)ino_of(f, root_ino(f), "old");
}

static void expect_refused(int err, const char *words)
{
	if (err != -EXDEV || !strstr(why.text, words))
		print_message("%d: %s\n", err, why.text);
	assert_int_equal(err, -EXDEV);
	assert_non_null(strstr(why.text, words));
}

static void test_none__its_store_is_of_no_directory(void **state)
{
	struct fixture *f = *state;
	enum mapfs_base_state base;

	open_none(f, MAPFS_STORE_DIR);
	close_copy(f);
	expect_refused(try_open_copy(f, MAPFS_STORE_DIR, &why), "has no base");
	/* Also if the root is in the delta. */
	open_none(f, MAPFS_STORE_DIR);
	make_file(f, "one");
	close_copy(f);
	expect_refused(try_open_copy(f, MAPFS_STORE_DIR, &why), "has no base");
	open_none(f, MAPFS_STORE_DIR);
	(void)ino_of(f, root_ino(f), "one");
	close_copy(f);
	assert_int_equal(mapfs_base_state(f->store, &base, &why), 0);
	assert_int_equal(base, MAPFS_BASE_FITS);
}

static void test_none__a_store_of_a_directory_needs_it(void **state)
{
	struct fixture *f = *state;
	struct mapfs_entry e;

	open_copy(f, MAPFS_STORE_DIR);
	close_copy(f);
	expect_refused(try_open_none(f, MAPFS_STORE_DIR), "needs that base");
	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "big", &e), 0);
	assert_int_equal(write_at(f->v, e.attr.ino, "x", 1, 0), 1);
	make_file(f, "new");
	close_copy(f);
	expect_refused(try_open_none(f, MAPFS_STORE_DIR), "needs that base");
	open_copy(f, MAPFS_STORE_DIR);
}

static int take_entry(void *arg, const struct mapfs_diff_entry *e)
{
	assert_int_equal(e->change, MAPFS_ADDED);
	(*(int *)arg)++;
	return 0;
}

static void test_none__a_comparison_finds_additions_only(void **state)
{
	struct fixture *f = *state;
	int entries = 0;

	open_none(f, MAPFS_STORE_DIR);
	assert_int_equal(mapfs_diff(NULL, f->v, NULL, take_entry, &entries), 0);
	assert_int_equal(entries, 0);
	make_file(f, "a");
	make_file(f, "b");
	assert_int_equal(mapfs_unlink(f->v, root_ino(f), "b"), 0);
	assert_int_equal(mapfs_diff(NULL, f->v, NULL, take_entry, &entries), 0);
	assert_int_equal(entries, 1);
	assert_int_equal(mapfs_revert(f->v, "", NULL, NULL, &why), 0);
	assert_int_equal(names_of_root(f), 2);
}

static int no_drift(void *arg, const char *path, bool is_gone)
{
	(void)arg;
	(void)is_gone;
	fail_msg("%s drifted", path);
	return 0;
}

static void test_none__nothing_drifts(void **state)
{
	struct fixture *f = *state;
	enum mapfs_held held;

	open_none(f, MAPFS_STORE_DIR);
	make_file(f, "a");
	close_copy(f);
	open_none(f, MAPFS_STORE_DIR);
	assert_int_equal(mapfs_drift(f->v, no_drift, NULL), 0);
	assert_int_equal(mapfs_held(f->v, root_ino(f), &held), 0);
	assert_int_equal(held, MAPFS_HELD_ALL);
}

static void test_none__there_is_nothing_to_commit_to(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_commit_options opt = { .store = f->store };
	struct mapfs_commit *c;

	open_none(f, MAPFS_STORE_DIR);
	make_file(f, "a");
	close_copy(f);
	assert_int_equal(mapfs_commit_open(&c, &opt, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "has no base"));
	assert_non_null(strstr(why.text, "mapfs export"));
	open_none(f, MAPFS_STORE_DIR);
	(void)ino_of(f, root_ino(f), "a");
}

/* The feature bits of kind "must refuse" of each segment, or-ed and and-ed. */
static void read_features(struct fixture *f, uint64_t *any, uint64_t *all)
{
	char path[512];
	struct segment_disk d;
	const struct dirent *e;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/journal", f->store);
	dir = opendir(path);
	assert_non_null(dir);
	*any = 0;
	*all = UINT64_MAX;
	while ((e = readdir(dir))) {
		int fd;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		(void)snprintf(path, sizeof(path), "%s/journal/%s", f->store,
			       e->d_name);
		fd = open(path, O_RDONLY);
		assert_true(fd >= 0);
		assert_int_equal(io_pread_all(fd, &d, sizeof(d), 0), 0);
		close(fd);
		*any |= le64_get(d.must_refuse);
		*all &= le64_get(d.must_refuse);
	}
	closedir(dir);
}

/*
 * Goal: a version that knows no kinds of bases refuses such a store, and still
 * opens every other one.
 * Method: openings, a snapshot and a rollback make segments of every sort.
 */
static void
test_none__only_its_stores_need_a_version_that_knows_it(void **state)
{
	struct fixture *f = *state;
	uint64_t any;
	uint64_t all;

	open_copy(f, MAPFS_STORE_DIR);
	close_copy(f);
	read_features(f, &any, &all);
	assert_int_equal(any & SEGMENT_HAS_BASE_KIND, 0);
	(void)snprintf(f->store, sizeof(f->store), "%s/other", f->dir);
	open_none(f, MAPFS_STORE_DIR);
	assert_int_equal(mapfs_snapshot_create(f->v, "s", "", &why), 0);
	make_file(f, "a");
	assert_int_equal(mapfs_rollback(f->v, "s", NULL, NULL, &why), 0);
	close_copy(f);
	open_none(f, MAPFS_STORE_DIR);
	read_features(f, &any, &all);
	assert_true(all & SEGMENT_HAS_BASE_KIND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_copy(test_none__a_view_begins_empty_and_takes_files),
		test_with_copy(test_none__the_root_can_be_changed),
		test_with_copy(test_none__the_root_is_the_same_after_a_remount),
		test_with_copy(
			test_none__the_root_is_the_same_after_a_rollback),
		test_with_copy(test_none__a_branch_has_the_root_of_its_parent),
		test_with_copy(test_none__its_store_is_of_no_directory),
		test_with_copy(test_none__a_store_of_a_directory_needs_it),
		test_with_copy(test_none__a_comparison_finds_additions_only),
		test_with_copy(test_none__nothing_drifts),
		test_with_copy(test_none__there_is_nothing_to_commit_to),
		test_with_copy(
			test_none__only_its_stores_need_a_version_that_knows_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

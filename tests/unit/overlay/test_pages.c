/* SPDX-License-Identifier: MIT */
/*
 * mapfs_pages() of a copy view: which source each byte has, after each way to
 * change it.
 */
#include "tests/unit/support/branch_fixture.h"
#include "tests/unit/support/overlay_fixture.h"
#include "tests/unit/support/run_text.h"

/* BIG_BYTES is 262144. */
#define HUGE_BYTES (1ULL << 42)

static mapfs_ino big_of(struct fixture *f)
{
	return ino_of(f, root_ino(f), "big");
}

static void truncate_to(struct fixture *f, mapfs_ino ino, uint64_t size)
{
	const struct mapfs_setattr set = {
		.valid = MAPFS_SET_SIZE,
		.size_bytes = size,
	};
	struct mapfs_attr attr;

	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(ino), &set, &attr),
			 0);
}

static void snapshot(struct fixture *f, const char *name)
{
	struct reason why;

	assert_int_equal(mapfs_snapshot_create(f->v, name, "", &why), 0);
}

static void test_pages__written_page_is_private(void **state)
{
	struct fixture *f = *state;
	mapfs_ino big;

	open_copy(f, MAPFS_STORE_DIR);
	big = big_of(f);
	assert_runs(f->v, big, "base 0+262144");
	assert_int_equal(write_at(f->v, big, "X", 1, 5000), 1);
	assert_runs(f->v, big,
		    "base 0+4096, private 4096+4096, base 8192+253952");
	/* Pages that are no neighbours in the arena are one run all the same. */
	assert_int_equal(write_at(f->v, big, "X", 1, 3 * 4096), 1);
	assert_int_equal(write_at(f->v, big, "X", 1, 2 * 4096), 1);
	assert_runs(f->v, big,
		    "base 0+4096, private 4096+12288, base 16384+245760");
	reopen_copy(f);
	assert_runs(f->v, big_of(f),
		    "base 0+4096, private 4096+12288, base 16384+245760");
}

static void test_pages__range_is_cut_to_the_file(void **state)
{
	struct fixture *f = *state;
	mapfs_ino big;

	open_copy(f, MAPFS_STORE_MEMORY);
	big = big_of(f);
	assert_int_equal(write_at(f->v, big, "X", 1, 5000), 1);
	assert_runs_of(f->v, big, 4000, 200, "base 4000+96, private 4096+104");
	assert_runs_of(f->v, big, 5000, 10, "private 5000+10");
	assert_runs_of(f->v, big, 262000, 1000, "base 262000+144");
	assert_runs_of(f->v, big, 262144, 1000, "");
	assert_runs_of(f->v, big, 0, 0, "");
	assert_runs_of(f->v, big, UINT64_MAX, UINT64_MAX, "");
	assert_runs(f->v, ino_of(f, root_ino(f), "small"), "base 0+5");
}

static void test_pages__shrunk_and_grown_file_has_a_hole(void **state)
{
	struct fixture *f = *state;
	mapfs_ino big;

	open_copy(f, MAPFS_STORE_MEMORY);
	big = big_of(f);
	truncate_to(f, big, 4097);
	assert_runs(f->v, big, "base 0+4097");
	truncate_to(f, big, 20000);
	assert_runs(f->v, big, "base 0+8192, hole 8192+11808");
	truncate_to(f, big, 0);
	assert_runs(f->v, big, "");
	truncate_to(f, big, HUGE_BYTES);
	assert_int_equal(write_at(f->v, big, "X", 1, HUGE_BYTES / 2), 1);
	assert_runs(f->v, big,
		    "hole 0+2199023255552, private 2199023255552+4096, "
		    "hole 2199023259648+2199023251456");
}

static void test_pages__punched_hole_hides_base_and_private(void **state)
{
	struct fixture *f = *state;
	mapfs_ino big;

	open_copy(f, MAPFS_STORE_MEMORY);
	big = big_of(f);
	assert_int_equal(write_at(f->v, big, "XXXX", 4, 4094), 4);
	assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(big),
					 FALLOC_FL_PUNCH_HOLE |
						 FALLOC_FL_KEEP_SIZE,
					 4096, 8192),
			 0);
	assert_runs(f->v, big,
		    "private 0+4096, hole 4096+8192, base 12288+249856");
}

static void test_pages__holes_of_the_base_are_holes(void **state)
{
	struct fixture *f = *state;
	char path[256];
	mapfs_ino sparse;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/sparse", f->base);
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "data", 4, 1 << 20), 4);
	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	close(fd);
	open_copy(f, MAPFS_STORE_MEMORY);
	sparse = ino_of(f, root_ino(f), "sparse");
	assert_runs(f->v, sparse,
		    "hole 0+1048576, base 1048576+4096, hole 1052672+3141632");
	assert_int_equal(write_at(f->v, sparse, "X", 1, 0), 1);
	assert_runs(f->v, sparse,
		    "private 0+4096, hole 4096+1044480, base 1048576+4096, "
		    "hole 1052672+3141632");
}

static void
test_pages__page_of_a_snapshot_is_told_from_a_private_one(void **state)
{
	struct fixture *f = *state;
	struct reason why;
	mapfs_ino big;

	open_copy(f, MAPFS_STORE_DIR);
	big = big_of(f);
	for (int n = 0; n < 4; n++)
		assert_int_equal(write_at(f->v, big, "X", 1, n * 4096), 1);
	snapshot(f, "a");
	assert_runs(f->v, big, "snapshot 0+16384, base 16384+245760");
	assert_int_equal(write_at(f->v, big, "Y", 1, 4096), 1);
	assert_int_equal(write_at(f->v, big, "Y", 1, 4 * 4096), 1);
	assert_runs(f->v, big,
		    "snapshot 0+4096, private 4096+4096, snapshot 8192+8192, "
		    "private 16384+4096, base 20480+241664");
	assert_int_equal(mapfs_snapshot_delete(f->v, "a", &why), 0);
	assert_runs(f->v, big, "private 0+20480, base 20480+241664");
}

static void test_pages__view_of_a_snapshot_has_no_private_page(void **state)
{
	struct fixture *f = *state;
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base = f->base,
		.store = f->store,
		.snapshot = "a",
	};
	struct reason why;

	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(write_at(f->v, big_of(f), "X", 1, 0), 1);
	snapshot(f, "a");
	assert_int_equal(write_at(f->v, big_of(f), "X", 1, 4096), 1);
	close_copy(f);
	assert_int_equal(mapfs_view_open(&f->v, &opt, &why), 0);
	assert_runs(f->v, big_of(f), "snapshot 0+4096, base 4096+258048");
}

static void test_pages__page_of_a_parent_is_told(void **state)
{
	struct fixture *f = *state;
	struct reason why;
	char parent[sizeof(f->store)];

	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(write_at(f->v, big_of(f), "XXXX", 4, 4094), 4);
	snapshot(f, "a");
	close_copy(f);
	memcpy(parent, f->store, sizeof(parent));
	(void)snprintf(f->store, sizeof(f->store), "%s/branch", f->dir);
	assert_int_equal(make_branch(parent, "a", f->store, &why), 0);
	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(write_at(f->v, big_of(f), "Y", 1, 4096), 1);
	assert_runs(f->v, big_of(f),
		    "parent 0+4096, private 4096+4096, base 8192+253952");
	snapshot(f, "b");
	assert_runs(f->v, big_of(f),
		    "parent 0+4096, snapshot 4096+4096, base 8192+253952");
}

static void test_pages__base_that_is_gone_counts_as_data(void **state)
{
	struct fixture *f = *state;
	char path[256];

	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(write_at(f->v, big_of(f), "X", 1, 0), 1);
	close_copy(f);
	(void)snprintf(path, sizeof(path), "%s/big", f->base);
	assert_int_equal(unlink(path), 0);
	/* No descriptor of the file is left. */
	open_copy(f, MAPFS_STORE_DIR);
	assert_runs(f->v, big_of(f), "private 0+4096, base 4096+258048");
}

static int stop(void *arg, const struct mapfs_run *run)
{
	(void)run;
	++*(int *)arg;
	return 7;
}

static void test_pages__only_regular_files_have_pages(void **state)
{
	const struct mapfs_range all = { .len_bytes = UINT64_MAX };
	struct fixture *f = *state;
	struct mapfs_entry e;
	int calls = 0;

	open_copy(f, MAPFS_STORE_MEMORY);
	assert_int_equal(mapfs_pages(f->v, mapfs_file_of(root_ino(f)), &all,
				     stop, &calls),
			 -EISDIR);
	assert_int_equal(
		mapfs_mknod(f->v, NEW(&nobody, root_ino(f), "p", 0010644), &e),
		0);
	assert_int_equal(mapfs_pages(f->v, mapfs_file_of(e.attr.ino), &all,
				     stop, &calls),
			 -EINVAL);
	assert_int_equal(mapfs_pages(f->v, mapfs_file_of(12345), &all, stop,
				     &calls),
			 -ESTALE);
	assert_int_equal(calls, 0);
	assert_int_equal(write_at(f->v, big_of(f), "X", 1, 0), 1);
	assert_int_equal(mapfs_pages(f->v, mapfs_file_of(big_of(f)), &all, stop,
				     &calls),
			 7);
	assert_int_equal(calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_copy(test_pages__written_page_is_private),
		test_with_copy(test_pages__range_is_cut_to_the_file),
		test_with_copy(test_pages__shrunk_and_grown_file_has_a_hole),
		test_with_copy(test_pages__punched_hole_hides_base_and_private),
		test_with_copy(test_pages__holes_of_the_base_are_holes),
		test_with_copy(
			test_pages__page_of_a_snapshot_is_told_from_a_private_one),
		test_with_copy(
			test_pages__view_of_a_snapshot_has_no_private_page),
		test_with_copy(test_pages__page_of_a_parent_is_told),
		test_with_copy(test_pages__base_that_is_gone_counts_as_data),
		test_with_copy(test_pages__only_regular_files_have_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * mapfs_pages() of a read or write view: base and holes.
 */
#include "tests/unit/support/direct_fixture.h"
#include "tests/unit/support/run_text.h"

static void make_sparse(const struct fixture *f)
{
	int fd;

	put_file(f, "sparse", "", 0);
	fd = open(in(f, "sparse"), O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "data", 4, 1 << 20), 4);
	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	close(fd);
}

static void test_direct_pages__holes_are_told_from_data(void **state)
{
	struct fixture *f = *state;

	make_sparse(f);
	put_file(f, "empty", "", 0);
	assert_runs(f->v, ino(f, f->root, "sparse"),
		    "hole 0+1048576, base 1048576+4096, hole 1052672+3141632");
	assert_runs_of(f->v, ino(f, f->root, "sparse"), 1048000, 1000,
		       "hole 1048000+576, base 1048576+424");
	assert_runs(f->v, ino(f, f->root, "file"), "base 0+5");
	assert_runs(f->v, ino(f, f->root, "empty"), "");
}

static int refuse(void *arg, const struct mapfs_run *run)
{
	(void)arg;
	(void)run;
	fail_msg("a directory has runs");
	return 0;
}

static void test_direct_pages__only_regular_files_have_pages(void **state)
{
	const struct mapfs_range all = { .len_bytes = UINT64_MAX };
	struct fixture *f = *state;

	assert_int_equal(mapfs_pages(f->v, mapfs_file_of(f->root), &all, refuse,
				     NULL),
			 -EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		READ_TEST(test_direct_pages__holes_are_told_from_data),
		WRITE_TEST(test_direct_pages__holes_are_told_from_data),
		USER_TEST(test_direct_pages__holes_are_told_from_data),
		READ_TEST(test_direct_pages__only_regular_files_have_pages),
		WRITE_TEST(test_direct_pages__only_regular_files_have_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

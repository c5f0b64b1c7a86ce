/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/path.h"

static void assert_joins_to(const char *dir, const char *name, const char *all)
{
	char into[64];
	char *path;

	assert_int_equal(path_join(&path, dir, name), 0);
	assert_string_equal(path, all);
	free(path);
	assert_int_equal(path_join_into(into, sizeof(into), dir, name), 0);
	assert_string_equal(into, all);
}

static void test_path__a_slash_stands_between_directory_and_name(void **state)
{
	(void)state;
	assert_joins_to("a", "b", "a/b");
	assert_joins_to("a/b", "c", "a/b/c");
}

static void test_path__the_root_is_empty_and_gives_the_name(void **state)
{
	(void)state;
	assert_joins_to("", "name", "name");
	assert_joins_to("", "", "");
}

static void test_path__a_long_path_is_not_cut(void **state)
{
	char dir[2 * PATH_MAX];
	char *path;

	(void)state;
	memset(dir, 'd', sizeof(dir) - 1);
	dir[sizeof(dir) - 1] = '\0';
	assert_int_equal(path_join(&path, dir, "name"), 0);
	assert_int_equal(strlen(path), sizeof(dir) + 4);
	free(path);
}

static void test_path__a_path_that_does_not_fit_is_refused(void **state)
{
	char out[8] = "before";

	(void)state;
	assert_int_equal(path_join_into(out, 4, "ab", "c"), -ENAMETOOLONG);
	assert_int_equal(path_join_into(out, 4, "", "abcd"), -ENAMETOOLONG);
	assert_string_equal(out, "before");
	assert_int_equal(path_join_into(out, 5, "ab", "c"), 0);
	assert_string_equal(out, "ab/c");
	assert_int_equal(path_join_into(out, 5, "", "abcd"), 0);
	assert_string_equal(out, "abcd");
}

static void
test_path__only_the_two_entries_of_each_directory_are_dots(void **state)
{
	(void)state;
	assert_true(path_is_dot("."));
	assert_true(path_is_dot(".."));
	assert_false(path_is_dot(""));
	assert_false(path_is_dot(".a"));
	assert_false(path_is_dot("..a"));
	assert_false(path_is_dot("..."));
	assert_false(path_is_dot("a"));
}

static void test_path__of_a_descriptor_opens_its_object_once_more(void **state)
{
	char name[] = "/tmp/mapfs-path-XXXXXX";
	char path[PATH_OF_FD_BYTES];
	struct stat was;
	struct stat is;
	int fd = mkstemp(name);
	int again;

	(void)state;
	assert_true(fd >= 0);
	/* A name is not needed. */
	assert_int_equal(unlink(name), 0);
	path_of_fd(fd, path);
	again = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(again >= 0);
	assert_int_equal(fstat(fd, &was), 0);
	assert_int_equal(fstat(again, &is), 0);
	assert_int_equal(was.st_ino, is.st_ino);
	close(again);
	close(fd);
}

static void test_path__of_the_largest_descriptor_fits(void **state)
{
	char path[PATH_OF_FD_BYTES];

	(void)state;
	path_of_fd(INT_MAX, path);
	assert_string_equal(path, "/proc/self/fd/2147483647");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_path__a_slash_stands_between_directory_and_name),
		cmocka_unit_test(
			test_path__the_root_is_empty_and_gives_the_name),
		cmocka_unit_test(test_path__a_long_path_is_not_cut),
		cmocka_unit_test(
			test_path__a_path_that_does_not_fit_is_refused),
		cmocka_unit_test(
			test_path__only_the_two_entries_of_each_directory_are_dots),
		cmocka_unit_test(
			test_path__of_a_descriptor_opens_its_object_once_more),
		cmocka_unit_test(test_path__of_the_largest_descriptor_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

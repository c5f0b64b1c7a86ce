/* SPDX-License-Identifier: MIT */
/*
 * Files that root makes in a directory of another user, and files of others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/owner.h"

#define STRANGER 4711

static char dir[64];
static int dirfd_of_test;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/mapfs-owner-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dirfd_of_test = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_of_test < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "f", "to" };

	(void)state;
	fault_disarm();
	for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++)
		(void)unlinkat(dirfd_of_test, names[n], 0);
	(void)unlinkat(dirfd_of_test, "d", AT_REMOVEDIR);
	(void)unlinkat(dirfd_of_test, "journal", AT_REMOVEDIR);
	close(dirfd_of_test);
	return rmdir(dir);
}

static void needs_root(void)
{
	if (geteuid() != 0)
		skip();
}

static uid_t owner_of(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd_of_test, name, &st, AT_SYMLINK_NOFOLLOW),
			 0);
	assert_int_equal(st.st_uid, st.st_gid);
	return st.st_uid;
}

static bool is_there(const char *name)
{
	return faccessat(dirfd_of_test, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_owner__new_files_belong_to_the_directorys_owner(void **state)
{
	int fd = -1;

	(void)state;
	needs_root();
	assert_int_equal(fchown(dirfd_of_test, STRANGER, STRANGER), 0);
	assert_int_equal(owner_create_file(dirfd_of_test, "f", O_RDWR, &fd), 0);
	close(fd);
	assert_int_equal(owner_create_dir(dirfd_of_test, "d"), 0);
	assert_int_equal(
		owner_open_file(dirfd_of_test, "to", O_RDWR | O_CREAT, &fd), 0);
	close(fd);
	assert_int_equal(owner_of("f"), STRANGER);
	assert_int_equal(owner_of("d"), STRANGER);
	assert_int_equal(owner_of("to"), STRANGER);
}

/* Root has provided the directory of a user's store. */
static void test_owner__new_files_belong_to_whom_the_journal_does(void **state)
{
	int fd = -1;

	(void)state;
	needs_root();
	assert_int_equal(owner_create_dir(dirfd_of_test, "journal"), 0);
	assert_int_equal(owner_of("journal"), 0);
	assert_int_equal(
		fchownat(dirfd_of_test, "journal", STRANGER, STRANGER, 0), 0);
	assert_int_equal(owner_create_file(dirfd_of_test, "f", O_RDWR, &fd), 0);
	close(fd);
	assert_int_equal(owner_of("f"), STRANGER);
}

static void test_owner__what_cannot_be_given_away_is_not_left(void **state)
{
	int fd = -1;

	(void)state;
	needs_root();
	assert_int_equal(fchown(dirfd_of_test, STRANGER, STRANGER), 0);
	fault_arm_name("owner.give", EIO);
	assert_int_equal(owner_create_file(dirfd_of_test, "f", O_RDWR, &fd),
			 -EIO);
	assert_int_equal(owner_create_dir(dirfd_of_test, "d"), -EIO);
	assert_int_equal(owner_open_file(dirfd_of_test, "to", O_RDWR | O_CREAT,
					 &fd),
			 -EIO);
	assert_int_equal(fd, -1);
	assert_false(is_there("f"));
	assert_false(is_there("d"));
	assert_false(is_there("to"));
}

static void test_owner__a_second_name_is_no_target(void **state)
{
	int fd = -1;

	(void)state;
	needs_root();
	assert_int_equal(owner_create_file(dirfd_of_test, "to", O_RDWR, &fd),
			 0);
	close(fd);
	assert_int_equal(linkat(dirfd_of_test, "to", dirfd_of_test, "f", 0), 0);
	/* In a directory of root's nothing is refused. */
	assert_int_equal(owner_open_file(dirfd_of_test, "f", O_RDWR, &fd), 0);
	close(fd);
	fd = -1;
	assert_int_equal(fchown(dirfd_of_test, STRANGER, STRANGER), 0);
	assert_int_equal(owner_open_file(dirfd_of_test, "f", O_RDWR, &fd),
			 -EPERM);
	assert_int_equal(fd, -1);
	assert_int_equal(owner_open_file(dirfd_of_test, "f", O_RDONLY, &fd), 0);
	close(fd);
}

static void test_owner__links_are_not_replaced(void **state)
{
	int fd = -1;

	(void)state;
	assert_int_equal(symlinkat("to", dirfd_of_test, "f"), 0);
	assert_int_equal(owner_create_file(dirfd_of_test, "f", O_RDWR, &fd),
			 -ELOOP);
	assert_int_equal(owner_open_file(dirfd_of_test, "f", O_RDWR | O_CREAT,
					 &fd),
			 -ELOOP);
	assert_false(is_there("to"));
}

static void test_owner__ours_is_what_no_other_could_have_written(void **state)
{
	struct owner_finding why = { 0 };

	(void)state;
	assert_int_equal(owner_check(dirfd_of_test, &why), 0);
	/* Sticky, as the root of a tmpfs: others can only add names. */
	assert_int_equal(fchmod(dirfd_of_test, 01777), 0);
	assert_int_equal(owner_check(dirfd_of_test, &why), 0);
	assert_int_equal(fchmod(dirfd_of_test, 0777), 0);
	assert_int_equal(owner_check(dirfd_of_test, &why), -EPERM);
	assert_true(why.is_shared);
	assert_int_equal(why.uid, geteuid());
	assert_int_equal(fchmod(dirfd_of_test, 0755), 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(fchmod(dirfd_of_test, 0775), 0);
	assert_int_equal(owner_check(dirfd_of_test, &why), 0);
	assert_int_equal(fchown(dirfd_of_test, 0, STRANGER), 0);
	assert_int_equal(owner_check(dirfd_of_test, &why), -EPERM);
	assert_int_equal(fchown(dirfd_of_test, STRANGER, STRANGER), 0);
	assert_int_equal(owner_check(dirfd_of_test, &why), -EPERM);
	assert_false(why.is_shared);
	assert_int_equal(why.uid, STRANGER);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_owner__new_files_belong_to_the_directorys_owner),
		TEST(test_owner__new_files_belong_to_whom_the_journal_does),
		TEST(test_owner__what_cannot_be_given_away_is_not_left),
		TEST(test_owner__a_second_name_is_no_target),
		TEST(test_owner__links_are_not_replaced),
		TEST(test_owner__ours_is_what_no_other_could_have_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

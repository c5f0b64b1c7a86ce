/* SPDX-License-Identifier: MIT */
/*
 * Complete reads, writes, syncs and reservations, and their fault points.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"

static int dirfd_of_test;
static char dir[64];

static int make_dir(void **state)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/mapfs-io-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dirfd_of_test = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_of_test < 0 ? -1 : 0;
}

static int remove_dir(void **state)
{
	close(dirfd_of_test);
	return rmdir(dir);
}

static int entries(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static int temporary(int at)
{
	int fd = -1;

	assert_int_equal(io_tmpfile(at, &fd), 0);
	return fd;
}

static uint64_t size_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

static uint64_t space_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void test_io__tmpfile_has_no_name(void **state)
{
	int fd = temporary(dirfd_of_test);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(entries(), 0);
	close(fd);
	fd = temporary(-1);
	assert_int_equal(size_of(fd), 0);
	close(fd);
	assert_int_equal(entries(), 0);
}

static void test_io__written_bytes_come_back(void **state)
{
	int fd = temporary(dirfd_of_test);
	char buf[16];

	assert_int_equal(io_pwrite_all("t", fd, "hello", 5, 3), 0);
	assert_int_equal(io_pread_all(fd, buf, 8, 0), 0);
	assert_memory_equal(buf, "\0\0\0hello", 8);
	assert_int_equal(io_fdatasync("t", fd), 0);
	assert_int_equal(io_fsync("t", fd), 0);
	close(fd);
}

static void test_io__end_of_file_is_short_or_an_error(void **state)
{
	int fd = temporary(dirfd_of_test);
	char buf[16];

	assert_int_equal(io_pwrite_all("t", fd, "hello", 5, 0), 0);
	assert_int_equal(io_pread_some(fd, buf, 16, 2), 3);
	assert_memory_equal(buf, "llo", 3);
	assert_int_equal(io_pread_some(fd, buf, 16, 5), 0);
	assert_int_equal(io_pread_all(fd, buf, 6, 0), -EIO);
	assert_int_equal(io_pread_all(fd, buf, 5, 0), 0);
	close(fd);
}

static void test_io__errors_are_negative_errno(void **state)
{
	int full = open("/dev/full", O_RDWR | O_CLOEXEC);
	char c;

	assert_true(full >= 0);
	assert_int_equal(io_pwrite_all("t", full, "x", 1, 0), -ENOSPC);
	close(full);
	assert_int_equal(io_pread_some(-1, &c, 1, 0), -EBADF);
	assert_int_equal(io_pread_all(-1, &c, 1, 0), -EBADF);
	assert_int_equal(io_pwrite_all("t", -1, &c, 1, 0), -EBADF);
	assert_int_equal(io_fsync("t", -1), -EBADF);
	assert_int_equal(io_fdatasync("t", -1), -EBADF);
	assert_int_equal(io_reserve("t", -1, 0, 1), -EBADF);
}

static void test_io__reserve_takes_space_and_grows_the_file(void **state)
{
	int fd = temporary(-1);
	char buf[4096];

	assert_int_equal(io_reserve("t", fd, 4096, 8192), 0);
	assert_int_equal(size_of(fd), 12288);
	assert_true(space_of(fd) >= 8192);
	/* Bytes that are there already stay. */
	assert_int_equal(io_pwrite_all("t", fd, "x", 1, 5000), 0);
	assert_int_equal(io_reserve("t", fd, 0, 16384), 0);
	assert_int_equal(io_pread_all(fd, buf, sizeof(buf), 4096), 0);
	assert_int_equal(buf[5000 - 4096], 'x');
	close(fd);
}

static void test_io__reserve_says_when_it_cannot(void **state)
{
	int fd = open("/proc/self/comm", O_RDWR | O_CLOEXEC);
	int err;

	assert_true(fd >= 0);
	err = io_reserve("t", fd, 0, 4096);
	assert_true(err == -EOPNOTSUPP || err == -ENODEV);
	close(fd);
}

static void test_io__punch_gives_back_and_keeps_the_size(void **state)
{
	int fd = temporary(-1);
	char buf[16384];
	uint64_t before;

	memset(buf, 'x', sizeof(buf));
	assert_int_equal(io_pwrite_all("t", fd, buf, sizeof(buf), 0), 0);
	before = space_of(fd);
	assert_int_equal(io_punch(fd, 8192, 8192), 0);
	assert_int_equal(size_of(fd), 16384);
	assert_true(space_of(fd) <= before - 8192);
	assert_int_equal(io_pread_all(fd, buf, sizeof(buf), 0), 0);
	assert_int_equal(buf[8191], 'x');
	assert_int_equal(buf[8192], 0);
	close(fd);
}

static void test_io__every_change_has_a_fault_point(void **state)
{
	int fd = temporary(-1);
	int other;

	fault_arm_name("p", EIO);
	assert_int_equal(io_pwrite_all("p", fd, "x", 1, 0), -EIO);
	assert_int_equal(size_of(fd), 0);
	assert_int_equal(io_reserve("p", fd, 0, 4096), -EIO);
	assert_int_equal(size_of(fd), 0);
	assert_int_equal(io_fsync("p", fd), -EIO);
	assert_int_equal(io_fdatasync("p", fd), -EIO);
	assert_int_equal(io_fdatasync("q", fd), 0);
	fault_arm_name("io.punch", EIO);
	assert_int_equal(io_punch(fd, 0, 4096), -EIO);
	fault_arm_name("io.tmpfile", EMFILE);
	assert_int_equal(io_tmpfile(-1, &other), -EMFILE);
	fault_disarm();
	close(fd);
}

static void test_io__short_counts_are_completed(void **state)
{
	int fd = temporary(-1);
	char buf[8];

	fault_reset();
	fault_arm(0, FAULT_SHORT);
	assert_int_equal(io_pwrite_all("p", fd, "12345678", 8, 0), 0);
	fault_arm(0, FAULT_SHORT);
	assert_int_equal(io_pwrite_some("p", fd, "abcd", 4, 0), 4);
	/* A part more for each of the three. */
	fault_arm(0, FAULT_SHORT);
	assert_int_equal(io_pread_all(fd, buf, 8, 0), 0);
	assert_memory_equal(buf, "abcd5678", 8);
	assert_int_equal(fault_passed(), 6);
	fault_disarm();
	close(fd);
}

static void test_io__a_disk_may_be_full_in_the_middle(void **state)
{
	int fd = temporary(-1);

	fault_arm(0, FAULT_FULL);
	assert_int_equal(io_pwrite_all("p", fd, "12345678", 8, 0), -ENOSPC);
	assert_int_equal(size_of(fd), 4);
	fault_arm(0, FAULT_FULL);
	assert_int_equal(io_pwrite_some("p", fd, "1234567890", 10, 0), 5);
	fault_disarm();
	close(fd);
}

static void test_io__interrupted_calls_are_repeated(void **state)
{
	int fd = temporary(-1);
	char c;

	for (int n = 0; n < 6; n++) {
		fault_arm(0, EINTR);
		assert_int_equal(n != 0 ? 0 : io_pwrite_all("p", fd, "x", 1, 0),
				 0);
		assert_int_equal(n != 1 ? 0 : io_pread_all(fd, &c, 1, 0), 0);
		assert_int_equal(n != 2 ? 0 : io_fsync("p", fd), 0);
		assert_int_equal(n != 3 ? 0 : io_fdatasync("p", fd), 0);
		assert_int_equal(n != 4 ? 0 : io_reserve("p", fd, 0, 1), 0);
		assert_int_equal(n != 5 ? 0 : io_punch(fd, 0, 1), 0);
	}
	fault_disarm();
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_io__tmpfile_has_no_name),
		cmocka_unit_test(test_io__written_bytes_come_back),
		cmocka_unit_test(test_io__end_of_file_is_short_or_an_error),
		cmocka_unit_test(test_io__errors_are_negative_errno),
		cmocka_unit_test(
			test_io__reserve_takes_space_and_grows_the_file),
		cmocka_unit_test(test_io__reserve_says_when_it_cannot),
		cmocka_unit_test(test_io__punch_gives_back_and_keeps_the_size),
		cmocka_unit_test(test_io__every_change_has_a_fault_point),
		cmocka_unit_test(test_io__short_counts_are_completed),
		cmocka_unit_test(test_io__a_disk_may_be_full_in_the_middle),
		cmocka_unit_test(test_io__interrupted_calls_are_repeated),
	};

	if (!getenv("CMOCKA_MESSAGE_OUTPUT"))
		cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

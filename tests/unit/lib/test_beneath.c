/* SPDX-License-Identifier: MIT */
/*
 * A directory with a file, a directory and links that lead out of it: nothing
 * outside can be opened [S2].
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
#include <sys/wait.h>
#include <unistd.h>

#include "core/lib/beneath.h"

#define NOBODY 65534

static char root[64];
static int rootfd;

static int make_tree(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/mapfs-beneath-XXXXXX");
	if (!mkdtemp(root) || chmod(root, 0755) < 0)
		return -1;
	rootfd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rootfd < 0 || mkdirat(rootfd, "dir", 0755) < 0 ||
	    close(openat(rootfd, "dir/file", O_CREAT | O_WRONLY, 0644)) < 0 ||
	    symlinkat("/etc", rootfd, "out") < 0 ||
	    symlinkat("dir", rootfd, "in") < 0)
		return -1;
	return 0;
}

static int remove_tree(void **state)
{
	(void)state;
	unlinkat(rootfd, "dir/file", 0);
	unlinkat(rootfd, "dir/new", 0);
	unlinkat(rootfd, "dir", AT_REMOVEDIR);
	unlinkat(rootfd, "out", 0);
	unlinkat(rootfd, "in", 0);
	close(rootfd);
	return rmdir(root);
}

static int open_and_close(int dirfd, const char *path, int flags)
{
	int fd;
	int err = beneath_open(dirfd, path, flags, &fd);

	if (!err) {
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		close(fd);
	}
	return err;
}

static void test_beneath__a_path_inside_is_opened(void **state)
{
	(void)state;
	assert_int_equal(open_and_close(rootfd, "dir/file", O_RDONLY), 0);
	assert_int_equal(open_and_close(rootfd, "dir/../dir", O_PATH), 0);
	assert_int_equal(open_and_close(rootfd, ".", O_PATH), 0);
	assert_int_equal(open_and_close(rootfd, "absent", O_PATH), -ENOENT);
}

static void test_beneath__no_path_leads_out(void **state)
{
	(void)state;
	assert_int_equal(open_and_close(rootfd, "..", O_PATH), -EXDEV);
	assert_int_equal(open_and_close(rootfd, "dir/../..", O_PATH), -EXDEV);
	assert_int_equal(open_and_close(rootfd, "/etc", O_PATH), -EXDEV);
}

static void test_beneath__no_link_is_followed(void **state)
{
	(void)state;
	assert_int_equal(open_and_close(rootfd, "out/passwd", O_PATH), -ELOOP);
	assert_int_equal(open_and_close(rootfd, "in/file", O_PATH), -ELOOP);
	assert_int_equal(open_and_close(rootfd, "in", O_RDONLY), -ELOOP);
	/* The link itself can be looked at. */
	assert_int_equal(open_and_close(rootfd, "in", O_PATH), 0);
}

static void test_beneath__a_failure_leaves_the_descriptor_alone(void **state)
{
	int fd = 4711;

	(void)state;
	assert_int_equal(beneath_open(rootfd, "absent", O_PATH, &fd), -ENOENT);
	assert_int_equal(fd, 4711);
}

static void test_beneath__a_created_file_is_private(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(open_and_close(rootfd, "dir/new",
					O_CREAT | O_EXCL | O_WRONLY),
			 0);
	assert_int_equal(fstatat(rootfd, "dir/new", &st, 0), 0);
	assert_int_equal(st.st_mode & 07077, 0);
}

static void test_beneath__a_mount_point_is_crossed_only_when_asked(void **state)
{
	int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	(void)state;
	assert_true(slash >= 0);
	if (faccessat(slash, "proc/version", R_OK, 0) < 0) {
		close(slash);
		skip();
	}
	assert_int_equal(open_and_close(slash, "proc", O_PATH), -EXDEV);
	assert_int_equal(open_and_close(slash, "proc/version", O_RDONLY),
			 -EXDEV);
	assert_int_equal(beneath_open_across_mounts(slash, "proc/version",
						    O_RDONLY, &fd),
			 0);
	close(fd);
	close(slash);
}

/*
 * Goal: O_NOATIME is dropped for a user who does not own the file.
 * Method: in a child without privileges, a file of root's.
 */
static void test_beneath__noatime_is_only_a_wish(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		int etc = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
		int fd;

		if (geteuid() == 0 && (setgid(NOBODY) || setuid(NOBODY)))
			_exit(3);
		if (openat(etc, "passwd", O_RDONLY | O_NOATIME) >= 0)
			_exit(4);
		_exit(beneath_open(etc, "passwd", O_RDONLY | O_NOATIME, &fd) !=
		      0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beneath__a_path_inside_is_opened),
		cmocka_unit_test(test_beneath__no_path_leads_out),
		cmocka_unit_test(test_beneath__no_link_is_followed),
		cmocka_unit_test(
			test_beneath__a_failure_leaves_the_descriptor_alone),
		cmocka_unit_test(test_beneath__a_created_file_is_private),
		cmocka_unit_test(
			test_beneath__a_mount_point_is_crossed_only_when_asked),
		cmocka_unit_test(test_beneath__noatime_is_only_a_wish),
	};

	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}

/* SPDX-License-Identifier: MIT */
#include "core/base/base.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/lib/timespec.h"

struct fixture {
	struct base *b;
	struct itable *t;
	struct inode *root;
};

static int setup(void **state)
{
	static struct fixture f;
	struct base_identity id;

	assert_int_equal(base_open_none(&f.b), 0);
	assert_int_equal(base_get_identity(f.b, &id), 0);
	assert_int_equal(itable_create(&f.t, id.ino), 0);
	base_set_itable(f.b, f.t);
	f.root = itable_root(f.t);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	itable_destroy(f->t);
	base_close(f->b);
	return 0;
}

static int count_name(void *arg, const char *name, uint64_t ino, mode_t type,
		      uint64_t cookie)
{
	(void)name;
	(void)ino;
	(void)type;
	(void)cookie;
	(*(int *)arg)++;
	return 0;
}

static void test_none__it_is_there_and_empty(void **state)
{
	struct fixture *f = *state;
	struct statx stx;
	bool foreign;
	int names = 0;

	assert_true(base_is_none(f->b));
	assert_false(base_is_absent(f->b));
	assert_string_equal(base_path(f->b), "none");
	assert_int_equal(base_look(f->b, f->root), 0);
	assert_int_equal(base_stat(f->b, f->root, "any", &stx, &foreign),
			 -ENOENT);
	assert_int_equal(base_readdir(f->b, f->root, 0, count_name, &names), 0);
	assert_int_equal(names, 0);
}

static void test_none__the_root_is_a_new_directory_of_the_caller(void **state)
{
	struct fixture *f = *state;
	struct timespec now;
	struct statx stx;
	bool foreign;

	clock_gettime(CLOCK_REALTIME, &now);
	assert_int_equal(base_stat(f->b, f->root, NULL, &stx, &foreign), 0);
	assert_false(foreign);
	assert_int_equal(stx.stx_mode, S_IFDIR | 0755);
	assert_int_equal(stx.stx_nlink, 2);
	assert_int_equal(stx.stx_uid, geteuid());
	assert_int_equal(stx.stx_gid, getegid());
	assert_int_equal(stx.stx_ino, f->root->ino);
	assert_true(stx.stx_mtime.tv_sec > 0);
	assert_false(timespec_is_after(timespec_of_statx(stx.stx_mtime), now));
	assert_memory_equal(&stx.stx_mtime, &stx.stx_ctime,
			    sizeof(stx.stx_mtime));
	assert_true(base_is_of(f->root, &stx));
}

/*
 * Goal: a store that is opened again shows the directory that was made with
 * it, whoever opens it.
 * Method: restore the identity that another user recorded another day.
 */
static void test_none__the_maker_can_be_restored(void **state)
{
	struct fixture *f = *state;
	struct base_identity id;
	struct base_identity again;
	struct statx stx;
	bool foreign;

	assert_int_equal(base_get_identity(f->b, &id), 0);
	id.uid = 1234;
	id.gid = 5678;
	id.btime = (struct timespec){ 1000000000, 7 };
	base_set_maker(f->b, &id);
	assert_int_equal(base_get_identity(f->b, &again), 0);
	assert_int_equal(again.uid, id.uid);
	assert_true(timespec_is_equal(again.btime, id.btime));
	assert_int_equal(base_stat(f->b, f->root, NULL, &stx, &foreign), 0);
	assert_int_equal(stx.stx_uid, 1234);
	assert_int_equal(stx.stx_gid, 5678);
	assert_int_equal(stx.stx_ctime.tv_sec, 1000000000);
	assert_int_equal(stx.stx_ctime.tv_nsec, 7);
}

static void test_none__an_object_below_it_is_lost(void **state)
{
	struct fixture *f = *state;
	const struct inode_facts facts = {
		.ino = 17,
		.type = S_IFREG,
		.parent = f->root,
		.name = "x",
	};
	struct base_fd *held;
	struct statx stx;
	struct inode *i;
	bool foreign;
	char buf[8];

	assert_int_equal(itable_get_or_add(f->t, &facts, &i), 0);
	assert_int_equal(base_look(f->b, i), -ESTALE);
	assert_int_equal(base_stat(f->b, i, NULL, &stx, &foreign), -ESTALE);
	assert_int_equal(base_hold(f->b, i, BASE_READ, &held), -ESTALE);
	assert_int_equal(base_read(f->b, i, buf, sizeof(buf), 0), -ESTALE);
	(void)inode_put(f->t, i);
}

static void test_none__no_xattrs_and_no_file_system(void **state)
{
	struct fixture *f = *state;
	struct statvfs vfs;
	char buf[8];

	assert_int_equal(base_listxattr(f->b, f->root, buf, sizeof(buf)), 0);
	assert_int_equal(base_getxattr(f->b, f->root, "user.x", buf,
				       sizeof(buf)),
			 -ENODATA);
	assert_int_equal(base_statfs(f->b, &vfs), -EOPNOTSUPP);
	assert_int_equal(base_root_fd(f->b), -1);
}

static void test_none__is_the_same_as_none_only(void **state)
{
	struct fixture *f = *state;
	struct base_identity none;
	struct base_identity other;
	struct base_identity dir = { .ino = 1, .btime = { 0, -1 } };

	assert_int_equal(base_get_identity(f->b, &none), 0);
	other = none;
	other.btime.tv_sec++;
	other.uid++;
	assert_true(base_is_same(&none, &other, true));
	assert_false(base_is_same(&none, &dir, false));
	assert_false(base_is_same(&dir, &none, false));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_none__it_is_there_and_empty),
		TEST(test_none__the_root_is_a_new_directory_of_the_caller),
		TEST(test_none__the_maker_can_be_restored),
		TEST(test_none__an_object_below_it_is_lost),
		TEST(test_none__no_xattrs_and_no_file_system),
		TEST(test_none__is_the_same_as_none_only),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

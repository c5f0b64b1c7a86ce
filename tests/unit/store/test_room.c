/* SPDX-License-Identifier: MIT */
/*
 * A store for which nothing more can be reserved [A2]: growing fails, and
 * removing, closing and opening do not.
 */
#include "tests/unit/support/overlay_fixture.h"

#include <ctype.h>
#include <dirent.h>
#include <sys/stat.h>

#define MOST_NAMES 5000

static struct reason why;

static void name_of(int n, char out[256])
{
	(void)snprintf(out, 256, "n%0200d", n);
}

static int make_dir(struct fixture *f, int n)
{
	const struct mapfs_cred root = { 0 };
	struct mapfs_entry e;
	char name[256];
	int err;

	name_of(n, name);
	err = mapfs_mkdir(f->v,
			  &(const struct mapfs_new){
				  .dir = root_ino(f),
				  .name = name,
				  .mode = 0755,
				  .cred = &root,
			  },
			  &e);
	if (!err)
		mapfs_forget(f->v, e.attr.ino, 1);
	return err;
}

/* Makes directories until one fails with the error; returns how many. */
static int fill(struct fixture *f, int n, int want)
{
	int err = 0;

	while (n < MOST_NAMES && (err = make_dir(f, n)) == 0)
		n++;
	assert_int_equal(err, want);
	return n;
}

static void remove_dirs(struct fixture *f, int count)
{
	char name[256];

	for (int n = 0; n < count; n++) {
		name_of(n, name);
		assert_int_equal(mapfs_rmdir(f->v, root_ino(f), name), 0);
	}
}

/* The inode number of STORE/NAME; of the newest segment for NULL. */
static ino_t file_of(struct fixture *f, const char *name)
{
	char path[512];
	struct stat st;
	const struct dirent *e;
	long newest = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/journal", f->store);
	dir = opendir(path);
	assert_non_null(dir);
	while ((e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]) &&
		    strtol(e->d_name, NULL, 10) > newest)
			newest = strtol(e->d_name, NULL, 10);
	closedir(dir);
	if (name)
		(void)snprintf(path, sizeof(path), "%s/%s", f->store, name);
	else
		(void)snprintf(path, sizeof(path), "%s/journal/%ld", f->store,
			       newest);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

/*
 * Goal: names are refused as long as their removal can still be journaled.
 * Method: from some time on nothing more can be reserved.
 */
static void test_room__all_can_be_removed_from_a_full_store(void **state)
{
	static const int errs[] = { ENOSPC, EDQUOT };
	struct fixture *f = *state;
	char name[256];

	open_copy(f, MAPFS_STORE_DIR);
	for (size_t k = 0; k < 2; k++) {
		int count;

		for (int n = 0; n < 100; n++)
			assert_int_equal(make_dir(f, n), 0);
		fault_arm_name("journal.reserve", errs[k]);
		count = fill(f, 100, -errs[k]);
		name_of(count - 1, name);
		assert_int_equal(mapfs_revert(f->v, name, NULL, NULL, &why), 0);
		remove_dirs(f, count - 1);
		fault_disarm();
		reopen_copy(f);
	}
}

/* A rollback that finds no space leaves everything as it was. */
static void test_room__rollback_without_space_changes_nothing(void **state)
{
	struct fixture *f = *state;
	char name[256];

	open_copy(f, MAPFS_STORE_DIR);
	for (int n = 0; n < 200; n++)
		assert_int_equal(make_dir(f, n), 0);
	assert_int_equal(mapfs_snapshot_create(f->v, "s", "", &why), 0);
	remove_dirs(f, 100);
	fault_arm_name("journal.reserve", ENOSPC);
	assert_int_equal(mapfs_rollback(f->v, "s", NULL, NULL, &why), -ENOSPC);
	assert_non_null(strstr(why.text, "nothing was changed"));
	fault_disarm();
	for (int n = 100; n < 200; n++) {
		name_of(n, name);
		assert_int_equal(mapfs_rmdir(f->v, root_ino(f), name), 0);
	}
	reopen_copy(f);
	assert_int_equal(make_dir(f, 0), 0);
	assert_int_equal(mapfs_rollback(f->v, "s", NULL, NULL, &why), 0);
	remove_dirs(f, 200);
}

/* Opening creates no file, and so needs no space. */
static void test_room__the_next_segment_is_the_spare(void **state)
{
	struct fixture *f = *state;
	ino_t spare;

	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(make_dir(f, 0), 0);
	close_copy(f);
	spare = file_of(f, "spare");
	fault_arm_name("owner.file", ENOSPC);
	open_copy(f, MAPFS_STORE_DIR);
	fault_disarm();
	assert_int_equal(file_of(f, NULL), spare);
	remove_dirs(f, 1);
}

/* Bytes in it could look like groups of the segment. */
static void test_room__a_spare_with_bytes_is_not_used(void **state)
{
	struct fixture *f = *state;
	char path[512];
	ino_t spare;
	int fd;

	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(make_dir(f, 0), 0);
	close_copy(f);
	spare = file_of(f, "spare");
	(void)snprintf(path, sizeof(path), "%s/spare", f->store);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "x", 1, 5000), 1);
	/* Keeps the number of the inode in use. */
	open_copy(f, MAPFS_STORE_DIR);
	assert_int_not_equal(file_of(f, NULL), spare);
	close(fd);
	remove_dirs(f, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_copy(test_room__all_can_be_removed_from_a_full_store),
		test_with_copy(
			test_room__rollback_without_space_changes_nothing),
		test_with_copy(test_room__the_next_segment_is_the_spare),
		test_with_copy(test_room__a_spare_with_bytes_is_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

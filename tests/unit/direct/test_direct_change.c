/* SPDX-License-Identifier: MIT */
/*
 * Write mode: renaming and removing, data, and close-to-open consistency.
 */
#include "tests/unit/support/direct_fixture.h"

#include <linux/falloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define BIG_BYTES (1U << 20)

/* --- write mode: renaming and removing --- */

static void test_direct__unlinked_file_lives_until_forgotten(void **state)
{
	struct fixture *f = *state;
	mapfs_ino file = ino(f, f->root, "file");
	uint64_t fh = open_fh(f, file, O_RDWR);
	struct mapfs_setattr set = { .valid = MAPFS_SET_MODE, .mode = 0600 };
	struct mapfs_attr a;
	uint64_t again;
	bool changed;

	assert_int_equal(mapfs_unlink(f->v, f->root, "file"), 0);
	assert_int_equal(access(in(f, "file"), F_OK), -1);
	assert_int_equal(mapfs_write(f->v, HANDLE(file, fh), WRITE("J", 1, 0)),
			 1);
	mapfs_release(f->v, fh);
	/* Without handle and name: a mapping is used after close(2). */
	assert_read(f, file, 0, "Jello");
	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(file), &a), 0);
	assert_int_equal(a.nlink, 0);
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(file), &set, &a), 0);
	assert_int_equal(mapfs_open(f->v, file, O_RDWR, &again, &changed), 0);
	assert_int_equal(
		mapfs_write(f->v, HANDLE(file, again), WRITE("C", 1, 0)), 1);
	mapfs_release(f->v, again);
	assert_read(f, file, 0, "Cello");
	mapfs_forget(f->v, file, 1);
	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(file), &a), -ESTALE);
	assert_int_equal(inodes_known(f), 1);
}

static void test_direct__removed_directory_still_answers(void **state)
{
	struct fixture *f = *state;
	mapfs_ino dir = ino(f, f->root, "dir");
	struct mapfs_entry e;
	struct mapfs_attr a;
	const struct mapfs_cred cred = me();

	assert_int_equal(mapfs_rmdir(f->v, f->root, "dir"), -ENOTEMPTY);
	assert_int_equal(mapfs_rmdir(f->v, f->root, "file"), -ENOTDIR);
	assert_int_equal(mapfs_unlink(f->v, f->root, "dir"), -EISDIR);
	assert_int_equal(mapfs_unlink(f->v, dir, "inner"), 0);
	assert_int_equal(mapfs_unlink(f->v, dir, "inner"), -ENOENT);
	assert_int_equal(mapfs_rmdir(f->v, f->root, "dir"), 0);
	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(dir), &a), 0);
	assert_int_equal(mapfs_lookup(f->v, dir, "inner", &e), -ENOENT);
	assert_int_equal(mapfs_mkdir(f->v, NEW(&cred, dir, "x", 0755), &e),
			 -ENOENT);
}

static void test_direct__rename_takes_what_is_below_along(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_cred cred = me();
	mapfs_ino dir = ino(f, f->root, "dir");
	mapfs_ino inner = ino(f, dir, "inner");
	struct mapfs_entry e;
	struct mapfs_attr a;

	assert_int_equal(
		mapfs_mkdir(f->v, NEW(&cred, f->root, "other", 0755), &e), 0);
	assert_int_equal(mapfs_rename(f->v, RENAME(f->root, "dir", e.attr.ino,
						   "moved", 0)),
			 0);
	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(inner), &a), 0);
	assert_read(f, inner, 0, "inner");
	assert_file(f, "other/moved/inner", "inner");
	assert_int_equal(ino(f, e.attr.ino, "moved"), dir);
	assert_int_equal(mapfs_rename(f->v,
				      RENAME(f->root, "other", dir, "x", 0)),
			 -EINVAL);
	assert_int_equal(mapfs_rename(f->v,
				      RENAME(f->root, "none", f->root, "x", 0)),
			 -ENOENT);
	assert_int_equal(mapfs_rename(f->v,
				      RENAME(f->root, "file", f->root, "x", 8)),
			 -EINVAL);
	assert_int_equal(mapfs_rename(f->v, RENAME(f->root, "file", f->root,
						   "x", RENAME_WHITEOUT)),
			 -EINVAL); /* a whiteout needs an owner */
	assert_int_equal(mapfs_rename_whiteout(f->v, &cred,
					       RENAME(f->root, "file", f->root,
						      "other",
						      RENAME_EXCHANGE)),
			 -EINVAL);
	assert_int_equal(mapfs_rename_whiteout(f->v, &cred,
					       RENAME(f->root, "file", f->root,
						      "other",
						      RENAME_NOREPLACE)),
			 -EEXIST);
}

static void test_direct__replaced_file_is_still_readable(void **state)
{
	struct fixture *f = *state;
	mapfs_ino file = ino(f, f->root, "file");
	mapfs_ino inner = ino(f, ino(f, f->root, "dir"), "inner");

	assert_int_equal(mapfs_rename(f->v, RENAME(ino(f, f->root, "dir"),
						   "inner", f->root, "file",
						   RENAME_NOREPLACE)),
			 -EEXIST);
	assert_int_equal(mapfs_rename(f->v,
				      RENAME(ino(f, f->root, "dir"), "inner",
					     f->root, "file", 0)),
			 0);
	assert_read(f, file, 0, "hello");
	assert_read(f, inner, 0, "inner");
	assert_file(f, "file", "inner");
}

static void test_direct__exchange_moves_both(void **state)
{
	struct fixture *f = *state;
	mapfs_ino dir = ino(f, f->root, "dir");
	mapfs_ino inner = ino(f, dir, "inner");
	mapfs_ino file = ino(f, f->root, "file");

	assert_int_equal(mapfs_rename(f->v, RENAME(f->root, "dir", f->root,
						   "file", RENAME_EXCHANGE)),
			 0);
	assert_int_equal(ino(f, f->root, "file"), dir);
	assert_int_equal(ino(f, f->root, "dir"), file);
	assert_read(f, inner, 0, "inner");
	assert_read(f, file, 0, "hello");
	assert_file(f, "file/inner", "inner");
}

static void test_direct__any_link_leads_to_the_file(void **state)
{
	struct fixture *f = *state;
	mapfs_ino dir = ino(f, f->root, "dir");
	mapfs_ino file = ino(f, f->root, "file");
	struct mapfs_entry e;

	assert_int_equal(mapfs_link(f->v, file, dir, "second", &e), 0);
	assert_int_equal(e.attr.ino, file);
	assert_int_equal(e.attr.nlink, 2);
	assert_int_equal(mapfs_link(f->v, file, dir, "second", &e), -EEXIST);
	assert_int_equal(mapfs_link(f->v, dir, dir, "third", &e), -EPERM);
	/* rename(2) of one link over another leaves both. */
	assert_int_equal(
		mapfs_rename(f->v, RENAME(dir, "second", f->root, "file", 0)),
		0);
	assert_int_equal(stat_of(f, "file").st_nlink, 2);
	assert_int_equal(mapfs_unlink(f->v, dir, "second"), 0);
	assert_read(f, file, 0, "hello");
	assert_int_equal(mapfs_unlink(f->v, f->root, "file"), 0);
	assert_read(f, file, 0, "hello");
}

static void test_direct__unnamed_file_can_be_named(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_cred cred = me();
	struct mapfs_entry e;
	struct mapfs_entry named;
	uint64_t fh;
	int fd;
	int err = mapfs_tmpfile(f->v, NEW(&cred, f->root, NULL, 0), &e);

	if (err == -EOPNOTSUPP)
		skip();
	assert_int_equal(err, 0);
	assert_int_equal(e.attr.nlink, 0);
	/* Its mode lets nobody open it, but its maker may write to it. */
	fh = open_fh(f, e.attr.ino, O_RDWR);
	assert_int_equal(mapfs_write(f->v, HANDLE(e.attr.ino, fh),
				     WRITE("temp", 4, 0)),
			 4);
	assert_read(f, e.attr.ino, fh, "temp");
	mapfs_release(f->v, fh);
	assert_int_equal(mapfs_link(f->v, e.attr.ino, f->root, "named", &named),
			 0);
	assert_int_equal(named.attr.ino, e.attr.ino);
	assert_int_equal(named.attr.nlink, 1);
	assert_int_equal(chmod(in(f, "named"), 0700), 0);
	assert_file(f, "named", "temp");
	/* No descriptor of the view keeps others from executing it. */
	fd = open(in(f, "named"), O_RDONLY);
	assert_int_equal(fcntl(fd, F_SETLEASE, F_RDLCK), 0);
	close(fd);
}

/* --- write mode: data --- */

static void test_direct__wrong_handle_is_an_error(void **state)
{
	struct fixture *f = *state;
	mapfs_ino file = ino(f, f->root, "file");
	uint64_t fh = open_fh(f, file, O_RDONLY);
	struct mapfs_attr a;
	char c;

	assert_int_equal(mapfs_read(f->v, HANDLE(file, 999), &c, 1, 0), -EBADF);
	assert_int_equal(mapfs_write(f->v, HANDLE(file, 999), WRITE("x", 1, 0)),
			 -EBADF);
	assert_int_equal(mapfs_fsync(f->v, HANDLE(file, 999), false), -EBADF);
	assert_int_equal(mapfs_getattr(f->v, HANDLE(file, 999), &a), -EBADF);
	mapfs_release(f->v, 999);
	mapfs_release(f->v, fh);
	assert_int_equal(mapfs_read(f->v, HANDLE(file, fh), &c, 1, 0), -EBADF);
	assert_int_equal(mapfs_read(f->v, mapfs_file_of(f->root), &c, 1, 0),
			 -EISDIR);
	assert_int_equal(write_at(f->v, file, "x", 1, (uint64_t)INT64_MAX),
			 -EFBIG);
}

static void test_direct__large_file_reads_through_any_handle(void **state)
{
	struct fixture *f = *state;
	char *big = malloc(BIG_BYTES);
	char *got = malloc(BIG_BYTES);
	mapfs_ino i;
	uint64_t fh;

	for (size_t n = 0; n < BIG_BYTES; n++)
		big[n] = (char)(n * 13 + n / 4096);
	put_file(f, "big", big, BIG_BYTES);
	i = ino(f, f->root, "big");
	fh = open_fh(f, i, O_RDWR);
	/* A handle still reads after the mode has forbidden it. */
	assert_int_equal(chmod(in(f, "big"), 0), 0);
	assert_int_equal(mapfs_read(f->v, HANDLE(i, fh), got, BIG_BYTES, 0),
			 BIG_BYTES);
	assert_memory_equal(big, got, BIG_BYTES);
	/* Reads by mapping and by pread give the written bytes. */
	memset(big + 500000, 'x', 100);
	assert_int_equal(mapfs_write(f->v, HANDLE(i, fh),
				     WRITE(big + 500000, 100, 500000)),
			 100);
	assert_int_equal(mapfs_read(f->v, HANDLE(i, fh), got, 4096, 499000),
			 4096);
	assert_memory_equal(big + 499000, got, 4096);
	mapfs_release(f->v, fh);
	free(big);
	free(got);
}

static void test_direct__holes_and_copies(void **state)
{
	struct fixture *f = *state;
	mapfs_ino file = ino(f, f->root, "file");
	mapfs_ino inner = ino(f, ino(f, f->root, "dir"), "inner");
	uint64_t fh = open_fh(f, file, O_RDWR);
	uint64_t from = open_fh(f, inner, O_RDONLY);
	uint64_t at;

	assert_int_equal(mapfs_fallocate(f->v, HANDLE(file, fh),
					 FALLOC_FL_KEEP_SIZE, 0, 1 << 20),
			 0);
	assert_int_equal(stat_of(f, "file").st_size, 5);
	assert_int_equal(mapfs_fallocate(f->v, HANDLE(file, fh), 0, 0, 1 << 20),
			 0);
	assert_int_equal(stat_of(f, "file").st_size, 1 << 20);
	assert_int_equal(mapfs_fallocate(f->v, HANDLE(file, fh),
					 FALLOC_FL_COLLAPSE_RANGE, 0, 4096),
			 -EOPNOTSUPP);
	assert_int_equal(mapfs_fallocate(f->v, HANDLE(file, fh),
					 FALLOC_FL_PUNCH_HOLE |
						 FALLOC_FL_KEEP_SIZE,
					 4096, (1 << 20) - 4096),
			 0);
	assert_int_equal(mapfs_lseek(f->v, HANDLE(file, fh), 0, SEEK_HOLE, &at),
			 0);
	assert_int_equal(at, 4096);
	assert_int_equal(
		mapfs_lseek(f->v, mapfs_file_of(file), 0, SEEK_DATA, &at), 0);
	assert_int_equal(at, 0);
	assert_int_equal(mapfs_lseek(f->v, HANDLE(file, fh), 2 << 20, SEEK_DATA,
				     &at),
			 -ENXIO);
	assert_int_equal(mapfs_lseek(f->v, HANDLE(file, fh), 0, SEEK_SET, &at),
			 -EINVAL);
	assert_int_equal(mapfs_copy_range(f->v,
					  &(struct mapfs_copy_range){
						  .from = HANDLE(inner, from),
						  .from_off = 1,
						  .to = HANDLE(file, fh),
						  .to_off = 8192,
						  .len = 100 }),
			 4);
	assert_int_equal(
		mapfs_lseek(f->v, HANDLE(file, fh), 4096, SEEK_DATA, &at), 0);
	assert_int_equal(at, 8192);
	assert_int_equal(mapfs_copy_range(f->v,
					  &(struct mapfs_copy_range){
						  .from = HANDLE(file, fh),
						  .to = HANDLE(file, fh),
						  .to_off = 2,
						  .len = 4 }),
			 -EINVAL);
	assert_int_equal(mapfs_copy_range(f->v,
					  &(struct mapfs_copy_range){
						  .from = HANDLE(file, fh),
						  .to = HANDLE(file, fh),
						  .to_off = 5,
						  .len = 5 }),
			 5);
	mapfs_release(f->v, fh);
	mapfs_release(f->v, from);
}

/*
 * Goal: close-to-open consistency: an open reports changes by other processes
 * and no others, or the kernel would drop its cache after each own write.
 */
static void test_direct__open_tells_of_changes_by_others(void **state)
{
	struct fixture *f = *state;
	mapfs_ino file = ino(f, f->root, "file");
	struct mapfs_setattr set = { .valid = MAPFS_SET_MODE, .mode = 0600 };
	struct mapfs_attr a;
	struct mapfs_entry e;
	uint64_t fh;

	assert_false(open_says_changed(f, file));
	put_file(f, "file", "other", 6);
	assert_true(open_says_changed(f, file));
	assert_false(open_says_changed(f, file));
	fh = open_fh(f, file, O_RDWR);
	assert_int_equal(
		mapfs_write(f->v, HANDLE(file, fh), WRITE("mine", 4, 0)), 4);
	assert_false(open_says_changed(f, file));
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(file), &set, &a), 0);
	assert_int_equal(mapfs_link(f->v, file, f->root, "l", &e), 0);
	assert_int_equal(mapfs_unlink(f->v, f->root, "file"), 0);
	assert_int_equal(
		mapfs_rename(f->v, RENAME(f->root, "l", f->root, "m", 0)), 0);
	assert_false(open_says_changed(f, file));
	/* Another process's change is reported, also after one by the view. */
	put_file(f, "m", "other!", 7);
	assert_int_equal(
		mapfs_write(f->v, HANDLE(file, fh), WRITE("mine", 4, 0)), 4);
	assert_true(open_says_changed(f, file));
	mapfs_release(f->v, fh);
}

struct search {
	const char *name;
	mapfs_ino found;
};

static int search_name(void *arg, const struct mapfs_dirent *d)
{
	struct search *s = arg;

	if (strcmp(d->name, s->name) == 0)
		s->found = d->ino;
	return 0;
}

static void test_direct__mount_point_is_an_empty_directory(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_cred cred = me();
	struct list l = { .room = 9, .f = f };
	struct search s = { .name = "dir" };
	struct mapfs_entry e;
	struct mapfs_attr a;
	struct mapfs_setattr set = { .valid = MAPFS_SET_MODE, .mode = 0600 };
	char *at = strdup(in(f, "dir"));
	mapfs_ino dir;

	if (geteuid() != 0 || mount("none", at, "tmpfs", 0, NULL) < 0) {
		free(at);
		skip();
	}
	put_file(f, "dir/hidden", "", 0);
	e = entry(f, f->root, "dir");
	dir = e.attr.ino;
	assert_true(S_ISDIR(e.attr.mode));
	assert_int_equal(mapfs_lookup(f->v, dir, "hidden", &e), -ENOENT);
	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(dir), &a), 0);
	assert_int_equal(a.ino, dir);
	assert_int_equal(mapfs_readdir(f->v, dir, READDIR(0, true, note, &l)),
			 0);
	assert_int_equal(l.count, 2);
	assert_int_equal(l.dotdot, f->root);
	assert_int_equal(mapfs_readdir(f->v, f->root,
				       READDIR(0, false, search_name, &s)),
			 0);
	assert_int_equal(s.found, dir);
	assert_int_equal(mapfs_mkdir(f->v, NEW(&cred, dir, "x", 0755), &e),
			 -EROFS);
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(dir), &set, &a),
			 -EROFS);
	assert_int_equal(mapfs_unlink(f->v, dir, "hidden"), -ENOENT);
	assert_int_equal(mapfs_rmdir(f->v, f->root, "dir"), -EBUSY);
	assert_int_equal(mapfs_rename(f->v,
				      RENAME(f->root, "file", dir, "x", 0)),
			 -EXDEV);
	assert_int_equal(umount(at), 0);
	free(at);
	/* Unmounted: the kernel has to look the name up again. */
	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(dir), &a), -ESTALE);
	assert_int_equal(ino(f, f->root, "dir"), stat_of(f, "dir").st_ino);
}

/* --- many at once --- */

#define RACE_FILES 20
#define RACE_NOFILE 60

struct race {
	struct fixture *f;
	mapfs_ino dir;
	mapfs_ino file[RACE_FILES];
	atomic_bool done;
};

static int move_once(struct race *r)
{
	struct mapfs_view *v = r->f->v;
	mapfs_ino root = r->f->root;
	int err = mapfs_rename(v, RENAME(root, "file", r->dir, "file", 0));

	if (!err)
		err = mapfs_rename(v, RENAME(root, "dir", root, "dir2", 0));
	if (!err)
		err = mapfs_rename(v, RENAME(r->dir, "file", root, "file", 0));
	if (!err)
		err = mapfs_rename(v, RENAME(root, "dir2", root, "dir", 0));
	return err;
}

static void *move_about(void *arg)
{
	struct race *r = arg;
	int err = 0;

	for (int n = 0; n < 1000 && !err; n++)
		err = move_once(r);
	atomic_store(&r->done, true);
	return err ? "a rename failed" : NULL;
}

static void *look_at(void *arg)
{
	struct race *r = arg;
	struct mapfs_view *v = r->f->v;
	struct mapfs_entry e;
	struct mapfs_attr a;
	char buf[8];

	for (int n = 0; !atomic_load(&r->done); n = (n + 1) % RACE_FILES) {
		if (mapfs_getattr(v, mapfs_file_of(r->file[n]), &a))
			return "a known object was not found";
		if (mapfs_read(v, mapfs_file_of(r->file[n]), buf, 5, 0) != 5)
			return "a known file was not readable";
		if (!mapfs_lookup(v, r->f->root, "file", &e))
			mapfs_forget(v, e.attr.ino, 1);
	}
	return NULL;
}

static int setup_few_descriptors(void **state)
{
	struct rlimit was;
	struct rlimit few;
	int err;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	few.rlim_cur = RACE_NOFILE;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	err = setup_write(state);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	return err;
}

/*
 * Goal: the object of an inode number is reached, also while it, or a
 * directory above it, is being renamed.
 * Method: a view that keeps few descriptors, so that it must use names.
 */
static void test_direct__objects_are_found_while_they_move(void **state)
{
	struct race r = { .f = *state };
	pthread_t t[3];
	void *why[3];

	r.dir = ino(r.f, r.f->root, "dir");
	r.file[0] = ino(r.f, r.f->root, "file");
	for (int n = 1; n < RACE_FILES; n++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "dir/n%d", n);
		assert_int_equal(mkdir(in(r.f, path), 0755), 0);
		(void)snprintf(path, sizeof(path), "dir/n%d/x", n);
		put_file(r.f, path, "12345", 5);
		(void)snprintf(path, sizeof(path), "n%d", n);
		r.file[n] = ino(r.f, ino(r.f, r.dir, path), "x");
	}
	assert_int_equal(pthread_create(&t[0], NULL, move_about, &r), 0);
	for (int n = 1; n < 3; n++)
		assert_int_equal(pthread_create(&t[n], NULL, look_at, &r), 0);
	for (int n = 0; n < 3; n++)
		assert_int_equal(pthread_join(t[n], &why[n]), 0);
	for (int n = 0; n < 3; n++)
		if (why[n])
			fail_msg("%s", (char *)why[n]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WRITE_TEST(test_direct__unlinked_file_lives_until_forgotten),
		USER_TEST(test_direct__unlinked_file_lives_until_forgotten),
		WRITE_TEST(test_direct__removed_directory_still_answers),
		WRITE_TEST(test_direct__rename_takes_what_is_below_along),
		WRITE_TEST(test_direct__replaced_file_is_still_readable),
		WRITE_TEST(test_direct__exchange_moves_both),
		WRITE_TEST(test_direct__any_link_leads_to_the_file),
		WRITE_TEST(test_direct__unnamed_file_can_be_named),
		USER_TEST(test_direct__unnamed_file_can_be_named),
		WRITE_TEST(test_direct__wrong_handle_is_an_error),
		WRITE_TEST(test_direct__large_file_reads_through_any_handle),
		USER_TEST(test_direct__large_file_reads_through_any_handle),
		WRITE_TEST(test_direct__holes_and_copies),
		WRITE_TEST(test_direct__open_tells_of_changes_by_others),
		WRITE_TEST(test_direct__mount_point_is_an_empty_directory),
		cmocka_unit_test_setup_teardown(
			test_direct__objects_are_found_while_they_move,
			setup_few_descriptors, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

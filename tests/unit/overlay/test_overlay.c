/* SPDX-License-Identifier: MIT */
/*
 * Copy mode through core/mapfs.h, without FUSE: quick enough to be run under
 * every sanitizer, and with a failure at every fault point.
 */
#include "tests/unit/support/overlay_fixture.h"

static void test_overlay__one_byte_costs_one_page(void **state)
{
	struct fixture *f = *state;
	struct mapfs_info info;
	mapfs_ino big;

	open_copy(f, MAPFS_STORE_DIR);
	big = ino_of(f, root_ino(f), "big");
	assert_int_equal(write_at(f->v, big, "X", 1, 5000), 1);
	assert_content(f, big, 4999, "bXb", 3);
	mapfs_view_info(f->v, &info);
	assert_int_equal(info.private_pages, 1);
	assert_int_equal(write_at(f->v, big, "Y", 1, 5001), 1);
	mapfs_view_info(f->v, &info);
	assert_int_equal(info.private_pages, 1);
	reopen_copy(f);
	assert_int_equal(ino_of(f, root_ino(f), "big"), big);
	assert_content(f, big, 4999, "bXYb", 4);
}

static void test_overlay__shrink_then_grow_reads_zeros(void **state)
{
	struct fixture *f = *state;
	struct mapfs_setattr set = { .valid = MAPFS_SET_SIZE };
	struct mapfs_attr attr;
	mapfs_ino big;
	mapfs_ino small;

	open_copy(f, MAPFS_STORE_DIR);
	big = ino_of(f, root_ino(f), "big");
	small = ino_of(f, root_ino(f), "small");
	assert_int_equal(write_at(f->v, big, "XYZ", 3, 4094), 3);
	set.size_bytes = 4096 + 1;
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(big), &set, &attr),
			 0);
	set.size_bytes = BIG_BYTES;
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(big), &set, &attr),
			 0);
	assert_int_equal(attr.size_bytes, BIG_BYTES);
	assert_content(f, big, 4093, "bXYZ\0\0", 6);
	assert_content(f, big, BIG_BYTES - 2, "\0\0", 2);
	set.size_bytes = 2;
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(small), &set, &attr),
			 0);
	set.size_bytes = 5;
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(small), &set, &attr),
			 0);
	assert_content(f, small, 0, "he\0\0\0", 5);
	assert_int_equal(write_at(f->v, small, "o", 1, 4), 1);
	assert_content(f, small, 0, "he\0\0o", 5);
	reopen_copy(f);
	(void)ino_of(f, root_ino(f), "small");
	assert_content(f, small, 0, "he\0\0o", 5);
	assert_base_untouched(f);
}

static void test_overlay__holes_are_found_and_read_as_zeros(void **state)
{
	struct fixture *f = *state;
	mapfs_ino big;
	uint64_t at;

	open_copy(f, MAPFS_STORE_DIR);
	big = ino_of(f, root_ino(f), "big");
	assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(big),
					 FALLOC_FL_PUNCH_HOLE |
						 FALLOC_FL_KEEP_SIZE,
					 4096 + 10, 3 * 4096),
			 0);
	assert_content(f, big, 4096 + 9, "b\0", 2);
	assert_content(f, big, 4 * 4096 + 9, "\0b", 2);
	assert_int_equal(
		mapfs_lseek(f->v, mapfs_file_of(big), 0, SEEK_HOLE, &at), 0);
	assert_int_equal(at, 2 * 4096);
	assert_int_equal(
		mapfs_lseek(f->v, mapfs_file_of(big), at, SEEK_DATA, &at), 0);
	assert_int_equal(at, 4 * 4096);
	assert_int_equal(
		mapfs_lseek(f->v, mapfs_file_of(big), at, SEEK_HOLE, &at), 0);
	assert_int_equal(at, BIG_BYTES);
	assert_int_equal(mapfs_lseek(f->v, mapfs_file_of(big), BIG_BYTES,
				     SEEK_DATA, &at),
			 -ENXIO);
}

static void test_overlay__base_directory_moves_with_all_below(void **state)
{
	struct fixture *f = *state;
	mapfs_ino inner;
	mapfs_ino sub;
	struct mapfs_entry e;

	open_copy(f, MAPFS_STORE_DIR);
	sub = ino_of(f, root_ino(f), "sub");
	inner = ino_of(f, sub, "inner");
	assert_int_equal(
		mapfs_mkdir(f->v, NEW(&nobody, root_ino(f), "new", 0777), &e),
		0);
	assert_int_equal(e.attr.mode & 0777, 0755);
	assert_int_equal(mapfs_rename(f->v, RENAME(root_ino(f), "sub",
						   e.attr.ino, "moved", 0)),
			 0);
	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "sub", &e), -ENOENT);
	reopen_copy(f);
	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "new", &e), 0);
	assert_int_equal(ino_of(f, e.attr.ino, "moved"), sub);
	assert_int_equal(ino_of(f, sub, "inner"), inner);
	assert_content(f, inner, 0, "inner", 5);
}

static void test_overlay__new_directory_hides_the_old_one(void **state)
{
	struct fixture *f = *state;
	struct mapfs_entry e;

	open_copy(f, MAPFS_STORE_DIR);
	(void)ino_of(f, root_ino(f), "sub");
	assert_int_equal(mapfs_rmdir(f->v, root_ino(f), "sub"), -ENOTEMPTY);
	assert_int_equal(
		mapfs_unlink(f->v, ino_of(f, root_ino(f), "sub"), "inner"), 0);
	assert_int_equal(mapfs_rmdir(f->v, root_ino(f), "sub"), 0);
	assert_int_equal(
		mapfs_mkdir(f->v, NEW(&nobody, root_ino(f), "sub", 0755), &e),
		0);
	assert_int_equal(mapfs_lookup(f->v, e.attr.ino, "inner", &e), -ENOENT);
	reopen_copy(f);
	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "sub", &e), 0);
	assert_int_equal(mapfs_lookup(f->v, e.attr.ino, "inner", &e), -ENOENT);
}

static void test_overlay__unlinked_file_lives_until_forgotten(void **state)
{
	struct fixture *f = *state;
	struct mapfs_info info;
	struct mapfs_entry e;

	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(
		mapfs_mknod(f->v, NEW(&nobody, root_ino(f), "n", 0100644), &e),
		0);
	assert_int_equal(write_at(f->v, e.attr.ino, "data", 4, 0), 4);
	assert_int_equal(mapfs_unlink(f->v, root_ino(f), "n"), 0);
	assert_content(f, e.attr.ino, 0, "data", 4);
	mapfs_forget(f->v, e.attr.ino, 1);
	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(e.attr.ino),
				       &e.attr),
			 -ESTALE);
	assert_int_equal(mapfs_fsync(f->v, mapfs_file_of(root_ino(f)), false),
			 0);
	mapfs_view_info(f->v, &info);
	assert_int_equal(info.private_pages, 0);
}

static void test_overlay__store_of_another_base_is_refused(void **state)
{
	struct fixture *f = *state;
	char other[96];
	struct reason why;

	open_copy(f, MAPFS_STORE_DIR);
	close_copy(f);
	(void)snprintf(other, sizeof(other), "%s/other", f->dir);
	assert_int_equal(mkdir(other, 0755), 0);
	memcpy(f->base, other, sizeof(other));
	assert_int_equal(try_open_copy(f, MAPFS_STORE_DIR, &why), -EXDEV);
	assert_non_null(strstr(why.text, "mount it with that base"));
}

static int history(struct fixture *f)
{
	struct mapfs_setattr set = {
		.valid = MAPFS_SET_SIZE,
		.size_bytes = 4100,
	};
	struct mapfs_attr attr;
	struct mapfs_entry e;
	mapfs_ino big;
	ssize_t n;
	int err;

	err = mapfs_lookup(f->v, root_ino(f), "big", &e);
	if (err)
		return err;
	big = e.attr.ino;
	err = mapfs_mknod(f->v, NEW(&nobody, root_ino(f), "n", 0100644), &e);
	if (err)
		return err;
	n = write_at(f->v, big, "X", 1, 4099);
	if (n < 0)
		return (int)n;
	err = mapfs_setattr(f->v, mapfs_file_of(big), &set, &attr);
	if (!err)
		err = mapfs_rename(f->v, RENAME(root_ino(f), "n", root_ino(f),
						"small", 0));
	return err ? err : mapfs_fsync(f->v, mapfs_file_of(root_ino(f)), false);
}

/* After any failure each name and file is as before a step or after it. */
static void assert_allowed(struct fixture *f)
{
	struct mapfs_entry e;
	char buf[2] = { 0 };
	mapfs_ino big;

	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "small", &e), 0);
	assert_true(e.attr.size_bytes == 5 || e.attr.size_bytes == 0);
	big = ino_of(f, root_ino(f), "big");
	assert_int_equal(mapfs_read(f->v, mapfs_file_of(big), buf, 1, 4099), 1);
	assert_true(buf[0] == 'b' || buf[0] == 'X');
	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(big), &e.attr), 0);
	assert_true(e.attr.size_bytes == BIG_BYTES ||
		    (e.attr.size_bytes == 4100 && buf[0] == 'X'));
}

/*
 * Goal: a fault at any point fails one call and loses nothing else.
 * Method: count the fault points of one good history, then fail each alone
 *         with EIO and ENOSPC, look, close, reopen and look again.
 */
static void test_overlay__every_fault_leaves_an_allowed_state(void **state)
{
	const int errors[] = { EIO, ENOSPC };
	struct fixture *f = *state;
	unsigned int points;
	char cmd[256];

	open_copy(f, MAPFS_STORE_DIR);
	fault_reset();
	assert_int_equal(history(f), 0);
	points = fault_passed();
	assert_true(points > 5);
	close_copy(f);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", f->store);
	for (unsigned int n = 0; n < 2 * points; n++) {
		assert_int_equal(system(cmd), 0);
		open_copy(f, MAPFS_STORE_DIR);
		fault_arm(n / 2, errors[n % 2]);
		(void)!history(f);
		fault_disarm();
		assert_allowed(f);
		(void)!mapfs_view_close(f->v);
		f->v = NULL;
		open_copy(f, MAPFS_STORE_DIR);
		assert_allowed(f);
		close_copy(f);
	}
}

static mapfs_ino filled_and_removed(struct fixture *f, const char *name)
{
	static const char page[4096] = "x";
	struct mapfs_entry e;

	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(
		mapfs_mknod(f->v, NEW(&nobody, root_ino(f), "gone", 0644), &e),
		0);
	assert_int_equal(write_at(f->v, e.attr.ino, page, sizeof(page), 0),
			 sizeof(page));
	assert_int_equal(mapfs_unlink(f->v, root_ino(f), "gone"), 0);
	mapfs_forget(f->v, e.attr.ino, 1);
	assert_int_equal(mapfs_mknod(f->v,
				     NEW(&nobody, root_ino(f), name, 0644), &e),
			 0);
	return e.attr.ino;
}

/*
 * Goal: the space of a removed page can be used at once, for pages and for the
 *         journal.
 * Method: ENOSPC at each fault point of a write, while a removed page waits for
 *         a sync point; and the same when none waits.
 */
static void test_overlay__no_space_is_final_only_if_none_waits(void **state)
{
	static const char buf[100] = "y";
	struct fixture *f = *state;
	unsigned int points = 1;
	unsigned int failed = 0;
	char name[16];

	for (unsigned int n = 0; n < points; n++) {
		mapfs_ino ino;

		(void)snprintf(name, sizeof(name), "new%u", n);
		ino = filled_and_removed(f, name);
		if (n == 0) {
			fault_reset();
			assert_int_equal(write_at(f->v, ino, buf, 100, 1 << 20),
					 100);
			points = fault_passed();
		}
		fault_arm(n, ENOSPC);
		assert_int_equal(write_at(f->v, ino, buf, 100, 0), 100);
		fault_disarm();
		/* Sums of pages wait for a sync point, too. */
		assert_int_equal(mapfs_fsync(f->v, mapfs_file_of(ino), false),
				 0);
		fault_arm(n, ENOSPC);
		if (write_at(f->v, ino, buf, 100, 8192) == -ENOSPC)
			failed++;
		fault_disarm();
		close_copy(f);
	}
	/* At least for the page, its bytes and the record. */
	assert_in_range(failed, 3, points);
}

#define T(name)                                                      \
	cmocka_unit_test_setup_teardown(name, overlay_fixture_begin, \
					overlay_fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_overlay__one_byte_costs_one_page),
		T(test_overlay__shrink_then_grow_reads_zeros),
		T(test_overlay__holes_are_found_and_read_as_zeros),
		T(test_overlay__base_directory_moves_with_all_below),
		T(test_overlay__new_directory_hides_the_old_one),
		T(test_overlay__unlinked_file_lives_until_forgotten),
		T(test_overlay__store_of_another_base_is_refused),
		T(test_overlay__every_fault_leaves_an_allowed_state),
		T(test_overlay__no_space_is_final_only_if_none_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

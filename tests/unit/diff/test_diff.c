/* SPDX-License-Identifier: MIT */
/*
 * mapfs_diff() of a view and its base, and of two views.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/diff_fixture.h"
#include "tests/unit/support/door.h"

static void test_diff__nothing_changed_is_nothing(void **state)
{
	struct fixture *f = *state;

	(void)look(f, "d/e/g");
	assert_diff(f, "");
}

static void test_diff__each_letter(void **state)
{
	struct fixture *f = *state;

	make_file(f, "new", "x");
	put(f, "a", "X", 0);
	take(f, "d/f");
	move(f, "big", "huge", 0);
	take(f, "l");
	make_dir(f, "l");
	assert_diff(f, "M f ct a\n"
		       "D f - d/f\n"
		       "R f - huge < big\n"
		       "T d c l\n"
		       "A f - new\n");
}

static void test_diff__each_what(void **state)
{
	struct fixture *f = *state;

	set_mode(f, "a", 0600);
	assert_diff(f, "M f m a\n");
	set_mode(f, "a", 0644);
	assert_diff(f, "");
	set_attr(f, "a",
		 &(struct mapfs_setattr){ .valid = MAPFS_SET_GID, .gid = 7 });
	assert_diff(f, "M f o a\n");
	assert_int_equal(set_xattr(f->v, look(f, "a"), "user.k", "v", 1), 0);
	assert_diff(f, "M f ox a\n");
	assert_int_equal(mapfs_removexattr(f->v, look(f, "a"), "user.k"), 0);
	assert_diff(f, "M f o a\n");
	put(f, "a", "X", 1);
	set_old_mtime(f, "a");
	assert_diff(f, "M f co a\n");
	assert_int_equal(f->pages, 1);
	assert_int_equal(f->bytes, 1);
	put(f, "a", "a", 1);
	assert_diff(f, "M f ot a\n");
}

static void test_diff__a_page_with_the_bytes_it_had_is_no_change(void **state)
{
	struct fixture *f = *state;

	put(f, "big", "bbbb", 4096);
	set_old_mtime(f, "big");
	assert_diff(f, "");
}

static void test_diff__pages_bytes_and_ranges_are_exact(void **state)
{
	struct fixture *f = *state;

	f->opt.want_ranges = true;
	put(f, "big", "XbX", 4095);
	put(f, "big", "Y", 9 * 4096);
	put(f, "big", "b", 12 * 4096);
	assert_diff(f, "M f ct big\n");
	assert_int_equal(f->pages, 3);
	assert_int_equal(f->bytes, 3);
	assert_string_equal(f->ranges, "0+8192 36864+4096 ");
	set_size(f, "big", 10 * 4096 + 10);
	assert_diff(f, "M f ct big\n");
	assert_int_equal(f->pages, 3 + 6);
	assert_int_equal(f->bytes, 3 + 6 * 4096 - 10);
	assert_string_equal(f->ranges, "0+8192 36864+4096 40970+24566 ");
	set_size(f, "big", BIG_PAGES * 4096 + 1);
	assert_diff(f, "M f ct big\n");
	assert_int_equal(f->pages, 3 + 6 + 1);
	assert_int_equal(f->bytes, 3 + 6 * 4096 - 10 + 1);
}

static void test_diff__a_page_that_differs_and_ends_counts_once(void **state)
{
	struct fixture *f = *state;

	put(f, "a", "X", 0);
	put(f, "a", "Y", 9);
	assert_diff(f, "M f ct a\n");
	assert_int_equal(f->pages, 1);
	assert_int_equal(f->bytes, 1 + 6);
}

static void test_diff__a_hole_over_data_differs(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(look(f, "big")),
					 FALLOC_FL_PUNCH_HOLE |
						 FALLOC_FL_KEEP_SIZE,
					 4096, 2 * 4096),
			 0);
	assert_diff(f, "M f ct big\n");
	assert_int_equal(f->pages, 2);
	assert_int_equal(f->bytes, 2 * 4096);
}

static void test_diff__a_renamed_directory_is_one_entry(void **state)
{
	struct fixture *f = *state;

	move(f, "d", "r", 0);
	assert_diff(f, "R d - r < d\n");
	put(f, "r/e/g", "X", 0);
	make_file(f, "r/e/n", "n");
	take(f, "r/f");
	assert_diff(f, "R d - r < d\n"
		       "M f ct r/e/g < d/e/g\n"
		       "A f - r/e/n < d/e/n\n"
		       "D f - r/f < d/f\n");
	set_mode(f, "r", 0700);
	move(f, "r/e", "e2", 0);
	assert_diff(f, "R d - e2 < d/e\n"
		       "M f ct e2/g < d/e/g\n"
		       "A f - e2/n < d/e/n\n"
		       "R d m r < d\n"
		       "D f - r/f < d/f\n");
	move(f, "e2", "r/e", 0);
	move(f, "r", "d", 0);
	set_mode(f, "d", 0755);
	take(f, "d/e/n");
	assert_diff(f, "M f ct d/e/g\n"
		       "D f - d/f\n");
}

static void test_diff__exchanged_files_are_modified(void **state)
{
	struct fixture *f = *state;

	move(f, "a", "d/f", RENAME_EXCHANGE);
	assert_diff(f, "M f c a\nM f c d/f\n");
	assert_int_equal(f->bytes, 4);
}

static void test_diff__exchanged_directories_are_renamed(void **state)
{
	struct fixture *f = *state;

	move(f, "empty", "d", RENAME_EXCHANGE);
	assert_diff(f, "R d - d < empty\nR d - empty < d\n");
	put(f, "empty/f", "X", 0);
	assert_diff(f, "R d - d < empty\n"
		       "R d - empty < d\n"
		       "M f ct empty/f < d/f\n");
}

static void test_diff__file_and_directory_exchanged_are_renamed(void **state)
{
	struct fixture *f = *state;

	move(f, "a", "d", RENAME_EXCHANGE);
	assert_diff(f, "R d - a < d\nR f - d < a\n");
}

static void test_diff__a_file_moved_over_another_replaces_it(void **state)
{
	struct fixture *f = *state;

	move(f, "a", "d/f", 0);
	assert_diff(f, "D f - a\nM f c d/f\n");
	move(f, "big", "l", 0);
	assert_diff(f, "D f - a\nD f - big\nM f c d/f\nT f c l\n");
}

static void test_diff__a_directory_moved_over_another_is_renamed(void **state)
{
	struct fixture *f = *state;

	move(f, "d/e", "empty", 0);
	assert_diff(f, "D d - empty\nR d - empty < d/e\n");
}

static void test_diff__hard_links_added_are_additions(void **state)
{
	struct fixture *f = *state;

	hard_link(f, "a", "a2");
	assert_diff(f, "A f - a2\n");
	take(f, "a");
	assert_diff(f, "R f - a2 < a\n");
}

static void test_diff__a_change_shows_under_all_names(void **state)
{
	struct fixture *f = *state;

	put(f, "d/hard", "X", 0);
	assert_diff(f, "M f ct d/e/hard\nM f ct d/hard\nM f ct hard\n");
	take(f, "d/hard");
	assert_diff(f, "M f ct d/e/hard\nD f - d/hard\nM f ct hard\n");
	move(f, "d", "r", 0);
	assert_diff(f, "M f ct hard\n"
		       "R d - r < d\n"
		       "M f ct r/e/hard < d/e/hard\n"
		       "D f - r/hard < d/hard\n");
}

static void test_diff__a_linked_file_that_moves_is_renamed(void **state)
{
	struct fixture *f = *state;

	move(f, "d/hard", "moved", 0);
	assert_diff(f, "R f - moved < d/hard\n");
}

static void test_diff__a_deleted_directory_is_one_entry(void **state)
{
	struct fixture *f = *state;

	take_d(f);
	assert_diff(f, "D d - d\n");
	f->opt.want_tree = true;
	assert_diff(f, "D d - d\n"
		       "D d - d/e\n"
		       "D f - d/e/g\n"
		       "D f - d/e/hard\n"
		       "D f - d/f\n"
		       "D f - d/hard\n");
}

static void test_diff__what_left_a_deleted_directory_is_renamed(void **state)
{
	struct fixture *f = *state;

	move(f, "d/f", "f", 0);
	move(f, "d/e", "e", 0);
	take(f, "d/hard");
	take(f, "d");
	assert_diff(f, "D d - d\nR d - e < d/e\nR f - f < d/f\n");
	f->opt.want_tree = true;
	assert_diff(f, "D d - d\n"
		       "D f - d/hard\n"
		       "R d - e < d/e\n"
		       "R f - f < d/f\n");
}

static void test_diff__a_replaced_directory_is_compared(void **state)
{
	struct fixture *f = *state;

	take_d(f);
	make_dir(f, "d");
	assert_diff(f, "D d - d/e\nD f - d/f\nD f - d/hard\n");
	make_dir(f, "d/e");
	make_file(f, "d/e/g", "gggg");
	make_file(f, "d/e/n", "");
	set_old_mtime(f, "d/e/g");
	assert_diff(f, "D f - d/e/hard\n"
		       "A f - d/e/n\n"
		       "D f - d/f\n"
		       "D f - d/hard\n");
	set_mode(f, "d", 0700);
	make_file(f, "d/f", "fxff");
	assert_diff(f, "M d m d\n"
		       "D f - d/e/hard\n"
		       "A f - d/e/n\n"
		       "M f ct d/f\n"
		       "D f - d/hard\n");
}

static void test_diff__a_directory_made_where_one_was_moved_from(void **state)
{
	struct fixture *f = *state;

	move(f, "d", "r", 0);
	make_dir(f, "d");
	make_file(f, "d/f", "f");
	assert_diff(f, "A d - d\nA f - d/f\nR d - r < d\n");
}

static void test_diff__types_that_change_are_retyped(void **state)
{
	struct fixture *f = *state;

	take_d(f);
	make_file(f, "d", "file");
	take(f, "a");
	make_dir(f, "a");
	make_file(f, "a/b", "b");
	take(f, "l");
	make_link(f, "l", "other");
	assert_diff(f, "T d c a\nA f - a/b\nT f c d\nM l ct l\n");
}

static void test_diff__a_new_directory_lists_its_names(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "n");
	make_dir(f, "n/m");
	make_file(f, "n/m/x", "x");
	move(f, "d/f", "n/f", 0);
	assert_diff(f, "A d - n\nR f - n/f < d/f\nA d - n/m\nA f - n/m/x\n");
	assert_int_equal(f->pages, 1);
	assert_int_equal(f->bytes, 1);
}

static void test_diff__the_root_can_change(void **state)
{
	struct fixture *f = *state;

	make_file(f, "n", "");
	set_mode(f, "", 0700);
	assert_diff(f, "M d m /\nA f - n\n");
}

static void test_diff__only_the_paths_asked_for(void **state)
{
	struct fixture *f = *state;
	const char *paths[] = { "d", "b" };

	put(f, "a", "X", 0);
	put(f, "d/f", "X", 0);
	move(f, "big", "d/big", 0);
	make_file(f, "dd", "x");
	f->opt.paths = paths;
	f->opt.path_count = 2;
	assert_diff(f, "R f - d/big < big\nM f ct d/f\n");
}

static void test_diff__an_unlinked_open_file_is_only_deleted(void **state)
{
	struct fixture *f = *state;
	mapfs_ino ino = look(f, "a");

	take(f, "a");
	assert_int_equal(write_at(f->v, ino, "X", 1, 0), 1);
	assert_diff(f, "D f - a\n");
}

static int stop(void *arg, const struct mapfs_diff_entry *e)
{
	(void)arg;
	(void)e;
	return 42;
}

static int note_bytes(void *arg, uint64_t done_bytes)
{
	*(uint64_t *)arg = done_bytes;
	return 0;
}

static void test_diff__two_moments_of_a_view_are_compared(void **state)
{
	struct fixture *f = *state;
	struct mapfs_view *one;

	keep_store(f);
	put(f, "a", "X", 0);
	make_dir(f, "n");
	make_file(f, "n/x", "x");
	set_old_mtime(f, "n/x");
	take(f, "d/f");
	move(f, "empty", "moved", 0);
	take_snapshot(f, "one");
	one = open_snapshot(f, "one");
	assert_diff_of(f, one, f->v, "");
	put(f, "a", "a", 0);
	set_old_mtime(f, "a");
	make_file(f, "d/f", "new");
	move(f, "n", "n2", 0);
	put(f, "n2/x", "y", 0);
	move(f, "moved", "empty", 0);
	take(f, "big");
	assert_diff_of(f, one, f->v,
		       "M f ct a\n"
		       "D f - big\n"
		       "A f - d/f\n"
		       "R d - empty < moved\n"
		       "R d - n2 < n\n"
		       "M f ct n2/x < n/x\n");
	assert_diff_of(f, f->v, one,
		       "M f ct a\n"
		       "A f - big\n"
		       "D f - d/f\n"
		       "R d - moved < empty\n"
		       "R d - n < n2\n"
		       "M f ct n/x < n2/x\n");
	assert_int_equal(mapfs_view_close(one), 0);
}

static void test_diff__pages_that_both_sides_share_are_not_read(void **state)
{
	struct fixture *f = *state;
	struct mapfs_view *one;
	uint64_t done = 0;
	char *text = malloc(BIG_PAGES * 4096 + 1);

	keep_store(f);
	memset(text, 'x', BIG_PAGES * 4096);
	text[BIG_PAGES * 4096] = '\0';
	put(f, "big", text, 0);
	set_old_mtime(f, "big");
	take_snapshot(f, "one");
	put(f, "big", "y", 5 * 4096);
	one = open_snapshot(f, "one");
	f->opt.progress = note_bytes;
	f->opt.progress_arg = &done;
	assert_diff_of(f, one, f->v, "M f ct big\n");
	assert_int_equal(f->pages, 1);
	assert_int_equal(f->bytes, 1);
	assert_int_equal(done, 4096);
	assert_int_equal(mapfs_view_close(one), 0);
	free(text);
}

static void
test_diff__a_file_whose_base_is_gone_differs_as_a_whole(void **state)
{
	struct fixture *f = *state;

	move(f, "big", "a", 0);
	put_base(f, "big", "another", 7);
	assert_diff(f, "M f c a\nD f - big\n");
	assert_int_equal(set_xattr(f->v, look(f, "a"), "user.k", "v", 1) == 0,
			 1);
	assert_diff(f, "M f cx a\nD f - big\n");
}

static void test_diff__other_modes_and_other_bases_are_refused(void **state)
{
	struct fixture *f = *state;
	struct mapfs_options opt = { .mode = MAPFS_READ, .base = f->base };
	struct mapfs_view *v;
	struct reason why;

	assert_int_equal(mapfs_view_open(&v, &opt, &why), 0);
	assert_int_equal(mapfs_diff(v, f->v, NULL, stop, NULL), -EINVAL);
	assert_int_equal(mapfs_diff(NULL, v, NULL, stop, NULL), -EINVAL);
	assert_int_equal(mapfs_view_close(v), 0);
	opt.mode = MAPFS_COPY;
	opt.store_kind = MAPFS_STORE_MEMORY;
	opt.base = f->dir;
	assert_int_equal(mapfs_view_open(&v, &opt, &why), 0);
	assert_int_equal(mapfs_diff(v, f->v, NULL, stop, NULL), -EXDEV);
	assert_int_equal(mapfs_view_close(v), 0);
}

static int interrupt(void *arg, uint64_t done_bytes)
{
	*(uint64_t *)arg = done_bytes;
	return -EINTR;
}

static void test_diff__callbacks_can_stop_it(void **state)
{
	struct fixture *f = *state;
	uint64_t done = 0;

	put(f, "big", "X", 0);
	assert_int_equal(mapfs_diff(NULL, f->v, NULL, stop, NULL), 42);
	f->opt.progress = interrupt;
	f->opt.progress_arg = &done;
	assert_int_equal(mapfs_diff(NULL, f->v, &f->opt, write_entry, f),
			 -EINTR);
	assert_true(done > 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_diff__nothing_changed_is_nothing),
		CASE(test_diff__each_letter),
		CASE(test_diff__each_what),
		CASE(test_diff__a_page_with_the_bytes_it_had_is_no_change),
		CASE(test_diff__pages_bytes_and_ranges_are_exact),
		CASE(test_diff__a_page_that_differs_and_ends_counts_once),
		CASE(test_diff__a_hole_over_data_differs),
		CASE(test_diff__a_renamed_directory_is_one_entry),
		CASE(test_diff__exchanged_files_are_modified),
		CASE(test_diff__exchanged_directories_are_renamed),
		CASE(test_diff__file_and_directory_exchanged_are_renamed),
		CASE(test_diff__a_file_moved_over_another_replaces_it),
		CASE(test_diff__a_directory_moved_over_another_is_renamed),
		CASE(test_diff__hard_links_added_are_additions),
		CASE(test_diff__a_change_shows_under_all_names),
		CASE(test_diff__a_linked_file_that_moves_is_renamed),
		CASE(test_diff__a_deleted_directory_is_one_entry),
		CASE(test_diff__what_left_a_deleted_directory_is_renamed),
		CASE(test_diff__a_replaced_directory_is_compared),
		CASE(test_diff__a_directory_made_where_one_was_moved_from),
		CASE(test_diff__types_that_change_are_retyped),
		CASE(test_diff__a_new_directory_lists_its_names),
		CASE(test_diff__the_root_can_change),
		CASE(test_diff__only_the_paths_asked_for),
		CASE(test_diff__an_unlinked_open_file_is_only_deleted),
		CASE(test_diff__two_moments_of_a_view_are_compared),
		CASE(test_diff__pages_that_both_sides_share_are_not_read),
		CASE(test_diff__a_file_whose_base_is_gone_differs_as_a_whole),
		CASE(test_diff__other_modes_and_other_bases_are_refused),
		CASE(test_diff__callbacks_can_stop_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "fs/mount/window.h"

static void assert_window(const char *text, const struct mapfs_window *want)
{
	struct window_list l = { 0 };
	struct reason why = { 0 };

	assert_int_equal(window_list_add(&l, text, &why), 0);
	assert_int_equal(l.count, 1);
	assert_string_equal(l.windows[0].name, want->name);
	assert_string_equal(l.windows[0].path, want->path);
	assert_int_equal(l.windows[0].off_bytes, want->off_bytes);
	assert_int_equal(l.windows[0].len_bytes, want->len_bytes);
	window_list_fini(&l);
}

#define ASSERT_WINDOW(text, ...) \
	assert_window(text, &(const struct mapfs_window){ __VA_ARGS__ })

/* The sentence begins with `start` and has a reason and a next step. */
static void assert_refused(const char *text, const char *start)
{
	struct window_list l = { 0 };
	struct reason why = { 0 };

	assert_int_equal(window_list_add(&l, text, &why), -EINVAL);
	assert_int_equal(l.count, 0);
	assert_memory_equal(why.text, start, strlen(start));
	assert_non_null(strchr(why.text, ';'));
	window_list_fini(&l);
}

static void
test_window_list__offset_and_length_are_the_last_fields(void **state)
{
	(void)state;
	ASSERT_WINDOW("boot=disk.img:1M:100M", "boot", "disk.img", 1 << 20,
		      100 << 20);
	ASSERT_WINDOW("boot=dir/disk:2048s:0x200", "boot", "dir/disk", 1 << 20,
		      512);
	ASSERT_WINDOW("a=b:0:1", "a", "b", 0, 1);
}

static void test_window_list__without_length_it_is_open(void **state)
{
	(void)state;
	ASSERT_WINDOW("rest=disk.img:4096", "rest", "disk.img", 4096,
		      MAPFS_WINDOW_OPEN);
	ASSERT_WINDOW("all=disk.img:0", "all", "disk.img", 0,
		      MAPFS_WINDOW_OPEN);
}

static void test_window_list__path_may_be_empty(void **state)
{
	(void)state;
	ASSERT_WINDOW("boot=:1M:2M", "boot", "", 1 << 20, 2 << 20);
	ASSERT_WINDOW("boot=:1M", "boot", "", 1 << 20, MAPFS_WINDOW_OPEN);
}

static void test_window_list__path_may_have_colons_and_equals(void **state)
{
	(void)state;
	ASSERT_WINDOW("a=x:y:1:2", "a", "x:y", 1, 2);
	ASSERT_WINDOW("a=x:5:1:2", "a", "x:5", 1, 2);
	ASSERT_WINDOW("a=x::1", "a", "x:", 1, MAPFS_WINDOW_OPEN);
	ASSERT_WINDOW("a=b=c:1", "a", "b=c", 1, MAPFS_WINDOW_OPEN);
	/* The first field is a path, whatever it looks like. */
	ASSERT_WINDOW("a=7:1", "a", "7", 1, MAPFS_WINDOW_OPEN);
}

static void test_window_list__name_is_one_component(void **state)
{
	struct window_list l = { 0 };
	struct reason why = { 0 };
	char text[MAPFS_NAME_MAX + sizeof("n=x:1")];

	(void)state;
	assert_refused("=x:1", "window =x:1: ");
	assert_refused("x:1", "window x:1: it has no '='; write a window as ");
	assert_refused("a", "window a: it has no '='; write a window as ");
	assert_refused("", "window : it has no '='");
	assert_refused("a/b=x:1", "window a/b: its name has a slash");
	assert_refused(".=x:1", "window .: ");
	assert_refused("..=x:1", "window ..: ");
	ASSERT_WINDOW("...=x:1", "...", "x", 1, MAPFS_WINDOW_OPEN);
	memset(text, 'n', sizeof(text));
	memcpy(text + MAPFS_NAME_MAX, "=x:1", sizeof("=x:1"));
	assert_int_equal(window_list_add(&l, text, &why), 0);
	assert_int_equal(strlen(l.windows[0].name), MAPFS_NAME_MAX);
	window_list_fini(&l);
	memcpy(text + MAPFS_NAME_MAX, "n=x:1", sizeof("n=x:1"));
	assert_refused(text, "window nnn");
}

static void test_window_list__text_without_offset_is_refused(void **state)
{
	(void)state;
	assert_refused("a=disk.img", "window a: it has no offset");
	assert_refused("a=disk.img:", "window a: it has no offset");
	assert_refused("a=disk.img:x", "window a: it has no offset");
	assert_refused("a=disk.img:-1", "window a: it has no offset");
	assert_refused("a=7", "window a: it has no offset");
}

static void test_window_list__bad_length_is_named(void **state)
{
	(void)state;
	assert_refused("a=d:0:5Q", "window a: 5Q is no length; give a number ");
	assert_refused("a=d:0:1KB", "window a: 1KB is no length; ");
	assert_refused("a=d:0:-5", "window a: -5 is no length; ");
	assert_refused("a=d:0:+1", "window a: +1 is no length; ");
	assert_refused("a=d:0:", "window a: '' is no length; ");
	assert_refused("a=:1M:x", "window a: x is no length; ");
	assert_refused("a=d:1:2:3x", "window a: 3x is no length; ");
	assert_refused("a=d:99999999T:x", "window a: 99999999T is too large; ");
}

static void test_window_list__length_of_zero_is_refused(void **state)
{
	(void)state;
	assert_refused("a=x:1:0", "window a: its length is 0");
	assert_refused("a=x:0:0x0", "window a: its length is 0");
}

static void
test_window_list__range_behind_the_largest_file_is_refused(void **state)
{
	(void)state;
	ASSERT_WINDOW("a=x:0x7ffffffffffffffe:1", "a", "x", 0x7ffffffffffffffe,
		      1);
	ASSERT_WINDOW("a=x:0:0x7fffffffffffffff", "a", "x", 0,
		      0x7fffffffffffffff);
	ASSERT_WINDOW("a=x:0x7fffffffffffffff", "a", "x", 0x7fffffffffffffff,
		      MAPFS_WINDOW_OPEN);
	assert_refused("a=x:0x7fffffffffffffff:1", "window a: it ends behind");
	assert_refused("a=x:1:0x7fffffffffffffff", "window a: it ends behind");
	assert_refused("a=x:0x8000000000000000",
		       "window a: 0x8000000000000000 is too large");
	/* The length is not taken for that of an open window. */
	assert_refused("a=x:0:0xffffffffffffffff", "window a: ");
	assert_refused("a=x:0xffffffffffffffff:0xffffffffffffffff",
		       "window a: ");
	assert_refused("a=x:0:0x10000000000000000",
		       "window a: 0x10000000000000000 is too large");
	assert_refused("a=x:99999999999T:1",
		       "window a: 99999999999T is too large");
}

static void test_window_list__second_window_of_a_name_is_refused(void **state)
{
	struct window_list l = { 0 };
	struct reason why = { 0 };

	(void)state;
	assert_int_equal(window_list_add(&l, "a=x:0:1", &why), 0);
	assert_int_equal(window_list_check_names(&l, &why), 0);
	assert_int_equal(window_list_add(&l, "b=x:1:1", &why), 0);
	assert_int_equal(window_list_check_names(&l, &why), 0);
	assert_int_equal(window_list_add(&l, "a=y:0:1", &why), 0);
	assert_int_equal(window_list_check_names(&l, &why), -EINVAL);
	assert_non_null(strstr(why.text, "window a: two windows "));
	assert_int_equal(l.count, 3);
	window_list_fini(&l);
}

static void
test_window_list__order_and_repetition_make_no_difference(void **state)
{
	struct window_list a = { 0 };
	struct window_list b = { 0 };
	struct reason why = { 0 };

	(void)state;
	assert_int_equal(window_list_add(&a, "a=x:0:1", &why), 0);
	assert_int_equal(window_list_add(&a, "b=x:1:1", &why), 0);
	assert_int_equal(window_list_add(&b, "b=x:1:1", &why), 0);
	assert_int_equal(window_list_add(&b, "a=x:0:1", &why), 0);
	assert_true(window_list_is_same(&a, &b));
	assert_int_equal(window_list_add(&b, "a=x:0:1", &why), 0);
	assert_true(window_list_is_same(&a, &b));
	assert_true(window_list_is_same(&b, &a));
	assert_int_equal(window_list_add(&b, "a=x:0:2", &why), 0);
	assert_false(window_list_is_same(&a, &b));
	assert_false(window_list_is_same(&b, &a));
	window_list_fini(&a);
	window_list_fini(&b);
}

static void test_window_list__lists_differ_by_any_field(void **state)
{
	static const char *const others[] = {
		"b=x:0:1", "a=y:0:1", "a=x:1:1", "a=x:0:2", "a=x:0",
	};
	struct window_list a = { 0 };
	struct window_list none = { 0 };
	struct reason why = { 0 };

	(void)state;
	assert_int_equal(window_list_add(&a, "a=x:0:1", &why), 0);
	assert_true(window_list_is_same(&a, &a));
	assert_true(window_list_is_same(&none, &none));
	assert_false(window_list_is_same(&a, &none));
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct window_list b = { 0 };

		assert_int_equal(window_list_add(&b, others[i], &why), 0);
		assert_false(window_list_is_same(&a, &b));
		window_list_fini(&b);
	}
	window_list_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_window_list__offset_and_length_are_the_last_fields),
		cmocka_unit_test(test_window_list__without_length_it_is_open),
		cmocka_unit_test(test_window_list__path_may_be_empty),
		cmocka_unit_test(
			test_window_list__path_may_have_colons_and_equals),
		cmocka_unit_test(test_window_list__name_is_one_component),
		cmocka_unit_test(
			test_window_list__text_without_offset_is_refused),
		cmocka_unit_test(test_window_list__bad_length_is_named),
		cmocka_unit_test(test_window_list__length_of_zero_is_refused),
		cmocka_unit_test(
			test_window_list__range_behind_the_largest_file_is_refused),
		cmocka_unit_test(
			test_window_list__second_window_of_a_name_is_refused),
		cmocka_unit_test(
			test_window_list__order_and_repetition_make_no_difference),
		cmocka_unit_test(test_window_list__lists_differ_by_any_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

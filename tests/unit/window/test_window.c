/* SPDX-License-Identifier: MIT */
/* Views of windows, above a copy view. */
#include "../support/overlay_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define K4 4096U
#define RUNS_BYTES 128U

static int try_windows(struct fixture *f, const struct mapfs_window *windows,
		       size_t count, struct reason *why)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base = f->base,
		.store = f->store,
		.windows = windows,
		.window_count = count,
	};

	return mapfs_view_open(&f->v, &opt, why);
}

/* "big" (64 pages of b) has a window without alignment, and the rest. */
static void open_two(struct fixture *f)
{
	static const struct mapfs_window windows[] = {
		{ "part", "big", 1000, 10000 },
		{ "rest", "big", 11000, MAPFS_WINDOW_OPEN },
	};
	struct reason why;

	assert_int_equal(try_windows(f, windows, 2, &why), 0);
}

static struct mapfs_attr attr_of(struct fixture *f, mapfs_ino ino)
{
	struct mapfs_attr attr;

	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(ino), &attr), 0);
	return attr;
}

static int set_size(struct fixture *f, mapfs_ino ino, uint64_t size)
{
	const struct mapfs_setattr set = {
		.valid = MAPFS_SET_SIZE,
		.size_bytes = size,
	};
	struct mapfs_attr attr;

	return mapfs_setattr(f->v, mapfs_file_of(ino), &set, &attr);
}

static void test_window__is_a_part_of_its_file(void **state)
{
	struct fixture *f = *state;
	char text[4] = "";
	mapfs_ino part;
	mapfs_ino rest;

	open_two(f);
	part = ino_of(f, root_ino(f), "part");
	rest = ino_of(f, root_ino(f), "rest");
	assert_int_equal(attr_of(f, part).size_bytes, 10000);
	assert_int_equal(attr_of(f, rest).size_bytes, BIG_BYTES - 11000);
	assert_int_equal(write_at(f->v, part, "x", 1, 9999), 1);
	assert_int_equal(write_at(f->v, rest, "y", 1, 0), 1);
	assert_int_equal(mapfs_read(f->v, mapfs_file_of(part), text, 4, 9998),
			 2);
	assert_memory_equal(text, "bx", 2);
	close_copy(f);
	open_copy(f, MAPFS_STORE_DIR);
	assert_content(f, ino_of(f, root_ino(f), "big"), 10998, "bxyb", 4);
	assert_base_untouched(f);
}

static void test_window__fixed_one_ends_as_a_device(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_file part =
		mapfs_file_of((open_two(f), ino_of(f, root_ino(f), "part")));

	assert_int_equal(write_at(f->v, part.ino, "abcd", 4, 9998), 2);
	assert_int_equal(write_at(f->v, part.ino, "abcd", 4, 10000), -ENOSPC);
	assert_int_equal(mapfs_fallocate(f->v, part, 0, 9000, 1001), -ENOSPC);
	assert_int_equal(mapfs_fallocate(f->v, part,
					 FALLOC_FL_PUNCH_HOLE |
						 FALLOC_FL_KEEP_SIZE,
					 9000, 5000),
			 0);
	assert_content(f, part.ino, 8999, "b\0\0", 3);
	assert_int_equal(set_size(f, part.ino, 9999), -EPERM);
	assert_int_equal(set_size(f, part.ino, 10000), 0);
	/* What was punched behind the end is the other window's. */
	assert_content(f, ino_of(f, root_ino(f), "rest"), 0, "b", 1);
}

static void test_window__open_one_grows_and_shrinks_its_file(void **state)
{
	struct fixture *f = *state;
	mapfs_ino rest;

	open_two(f);
	rest = ino_of(f, root_ino(f), "rest");
	assert_int_equal(write_at(f->v, rest, "end", 3, BIG_BYTES), 3);
	assert_int_equal(attr_of(f, rest).size_bytes, BIG_BYTES + 3);
	assert_int_equal(set_size(f, rest, 5), 0);
	close_copy(f);
	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(attr_of(f, ino_of(f, root_ino(f), "big")).size_bytes,
			 11005);
}

static void test_window__shows_an_end_that_moved(void **state)
{
	struct fixture *f = *state;
	mapfs_ino part;
	char text[4];

	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(set_size(f, ino_of(f, root_ino(f), "big"), 12000), 0);
	close_copy(f);
	open_two(f);
	part = ino_of(f, root_ino(f), "part");
	assert_int_equal(set_size(f, ino_of(f, root_ino(f), "rest"), 0), 0);
	assert_int_equal(attr_of(f, part).size_bytes, 10000);
	assert_int_equal(mapfs_read(f->v, mapfs_file_of(part), text, 4, 10000),
			 0);
}

static void test_window__seek_stays_inside(void **state)
{
	struct fixture *f = *state;
	struct mapfs_file part;
	uint64_t at;

	open_two(f);
	part = mapfs_file_of(ino_of(f, root_ino(f), "part"));
	assert_int_equal(mapfs_lseek(f->v, part, 0, SEEK_HOLE, &at), 0);
	assert_int_equal(at, 10000);
	assert_int_equal(mapfs_lseek(f->v, part, 10000, SEEK_DATA, &at),
			 -ENXIO);
	/* Pages 1 and 2 of the file lie in the window, at 3096. */
	assert_int_equal(mapfs_fallocate(f->v, part,
					 FALLOC_FL_PUNCH_HOLE |
						 FALLOC_FL_KEEP_SIZE,
					 K4 - 1000, K4),
			 0);
	assert_int_equal(mapfs_lseek(f->v, part, 0, SEEK_HOLE, &at), 0);
	assert_int_equal(at, K4 - 1000);
	assert_int_equal(mapfs_lseek(f->v, part, K4 - 1000, SEEK_DATA, &at), 0);
	assert_int_equal(at, 2 * K4 - 1000);
}

static void test_window__copies_into_another_one(void **state)
{
	struct fixture *f = *state;
	struct mapfs_copy_range copy;

	open_two(f);
	copy = (struct mapfs_copy_range){
		.from = mapfs_file_of(ino_of(f, root_ino(f), "rest")),
		.to = mapfs_file_of(ino_of(f, root_ino(f), "part")),
		.to_off = 9990,
		.len = 100,
	};
	assert_int_equal(write_at(f->v, copy.from.ino, "0123456789", 10, 0),
			 10);
	assert_int_equal(mapfs_copy_range(f->v, &copy), 10);
	assert_content(f, copy.to.ino, 9990, "0123456789", 10);
	copy.to_off = 10000;
	assert_int_equal(mapfs_copy_range(f->v, &copy), -ENOSPC);
}

static int add_run(void *arg, const struct mapfs_run *run)
{
	char *text = arg;
	size_t used = strlen(text);

	(void)snprintf(text + used, RUNS_BYTES - used, "%llu+%llu:%d ",
		       (unsigned long long)run->off_bytes,
		       (unsigned long long)run->len_bytes, (int)run->source);
	return 0;
}

static void test_window__has_the_pages_of_its_part(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_range all = { 0, UINT64_MAX };
	char text[RUNS_BYTES] = "";
	char want[RUNS_BYTES];
	mapfs_ino part;

	open_two(f);
	part = ino_of(f, root_ino(f), "part");
	/* Page 1 of the file begins at byte 3096 of the window. */
	assert_int_equal(write_at(f->v, part, "x", 1, K4 - 1000), 1);
	assert_int_equal(
		mapfs_pages(f->v, mapfs_file_of(part), &all, add_run, text), 0);
	(void)snprintf(want, sizeof(want),
		       "0+3096:%d 3096+4096:%d 7192+2808:%d ",
		       MAPFS_SOURCE_BASE, MAPFS_SOURCE_PRIVATE,
		       MAPFS_SOURCE_BASE);
	assert_string_equal(text, want);
}

static void test_window__names_never_change(void **state)
{
	struct fixture *f = *state;
	struct mapfs_entry e;

	open_two(f);
	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "big", &e), -ENOENT);
	assert_int_equal(
		mapfs_mknod(f->v,
			    NEW(&nobody, root_ino(f), "new", S_IFREG | 0644),
			    &e),
		-EPERM);
	assert_int_equal(
		mapfs_tmpfile(f->v,
			      NEW(&nobody, root_ino(f), NULL, S_IFREG | 0644),
			      &e),
		-EPERM);
	assert_int_equal(mapfs_unlink(f->v, root_ino(f), "part"), -EPERM);
	assert_int_equal(mapfs_rename(f->v, RENAME(root_ino(f), "part",
						   root_ino(f), "x", 0)),
			 -EPERM);
}

static void test_window__number_is_the_same_in_each_mount(void **state)
{
	struct fixture *f = *state;
	mapfs_ino part;
	mapfs_ino rest;

	open_two(f);
	part = ino_of(f, root_ino(f), "part");
	rest = ino_of(f, root_ino(f), "rest");
	assert_int_not_equal(part, rest);
	close_copy(f);
	open_two(f);
	assert_int_equal(ino_of(f, root_ino(f), "part"), part);
	assert_int_equal(ino_of(f, root_ino(f), "rest"), rest);
}

static void assert_refused(struct fixture *f, struct mapfs_window a,
			   struct mapfs_window b, const char *words)
{
	const struct mapfs_window windows[] = { a, b };
	struct reason why;

	assert_true(try_windows(f, windows, 2, &why) < 0);
	if (!strstr(why.text, words))
		print_message("%s\n", why.text);
	assert_non_null(strstr(why.text, words));
}

static void test_window__refuses_what_is_not_possible(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_window good = { "good", "big", 0, 100 };

	assert_refused(f, good, (struct mapfs_window){ "b", "big", 99, 1 },
		       "windows good and b: overlap in big");
	assert_refused(f, (struct mapfs_window){ "a", "big", 5000, 100 },
		       (struct mapfs_window){ "b", "big", 0,
					      MAPFS_WINDOW_OPEN },
		       "windows b and a: overlap");
	assert_refused(f, good,
		       (struct mapfs_window){ "b", "big", BIG_BYTES - 1, 2 },
		       "ends 1 bytes behind the end of big");
	assert_refused(f, good,
		       (struct mapfs_window){ "b", "big", BIG_BYTES,
					      MAPFS_WINDOW_OPEN },
		       "begins at byte");
	assert_refused(f, good, (struct mapfs_window){ "b", "big", 200, 0 },
		       "a size of 0");
	assert_refused(f, good, (struct mapfs_window){ "b", "sub", 0, 1 },
		       "not a regular file");
	assert_refused(f, good, (struct mapfs_window){ "b", "none", 0, 1 },
		       "window b: none: No such file");
	assert_refused(f, good, (struct mapfs_window){ "good", "small", 0, 1 },
		       "named twice");
	assert_refused(f, good, (struct mapfs_window){ "b", "", 0, 1 },
		       "names no file");
}

static void test_window__two_files_may_have_the_same_place(void **state)
{
	struct fixture *f = *state;
	static const struct mapfs_window windows[] = {
		{ "a", "small", 0, 5 },
		{ "b", "sub/inner", 0, 5 },
	};
	struct reason why;

	assert_int_equal(try_windows(f, windows, 2, &why), 0);
	assert_content(f, ino_of(f, root_ino(f), "a"), 0, "hello", 5);
	assert_content(f, ino_of(f, root_ino(f), "b"), 0, "inner", 5);
}

static int open_writer(struct fixture *f, const struct mapfs_window *windows,
		       size_t count, struct mapfs_view **out)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_WRITE,
		.base = f->base,
		.windows = windows,
		.window_count = count,
	};
	struct reason why;

	return mapfs_view_open(out, &opt, &why);
}

static void test_window__image_has_one_writer(void **state)
{
	struct fixture *f = *state;
	static const struct mapfs_window windows[] = {
		{ "a", "big", 0, 5 },
		{ "b", "big", 10, 5 },
	};
	struct mapfs_view *writer;
	struct mapfs_view *other;
	struct reason why;

	assert_int_equal(open_writer(f, windows, 2, &writer), 0);
	assert_int_equal(open_writer(f, windows, 1, &other), -EBUSY);
	assert_int_equal(try_windows(f, windows, 1, &why), -EBUSY);
	assert_non_null(strstr(why.text, "in use by a view in write mode"));
	assert_int_equal(mapfs_view_close(writer), 0);
	assert_int_equal(try_windows(f, windows, 1, &why), 0);
}

static mapfs_ino ino_of_view(struct mapfs_view *v, const char *name)
{
	struct mapfs_entry e;

	assert_int_equal(mapfs_lookup(v, mapfs_root_ino(v), name, &e), 0);
	return e.attr.ino;
}

static bool open_says_changed(struct mapfs_view *v, mapfs_ino ino)
{
	bool changed = false;
	uint64_t fh;

	assert_int_equal(mapfs_open(v, ino, O_RDWR, &fh, &changed), 0);
	mapfs_release(v, fh);
	return changed;
}

static void test_window__each_one_tells_of_a_changed_base(void **state)
{
	struct fixture *f = *state;
	static const struct mapfs_window windows[] = {
		{ "a", "big", 1, 5 },
		{ "b", "big", 10, 5 },
	};
	struct mapfs_view *writer;
	char path[128];
	mapfs_ino a;
	mapfs_ino b;

	assert_int_equal(open_writer(f, windows, 2, &writer), 0);
	a = ino_of_view(writer, "a");
	b = ino_of_view(writer, "b");
	assert_false(open_says_changed(writer, a));
	(void)snprintf(path, sizeof(path), "%s/big", f->base);
	assert_int_equal(truncate(path, BIG_BYTES - 1), 0);
	/* The kernel asks for the attributes of a first. */
	assert_int_equal(ino_of_view(writer, "a"), a);
	assert_true(open_says_changed(writer, a));
	assert_true(open_says_changed(writer, b));
	assert_false(open_says_changed(writer, b));
	assert_int_equal(write_at(writer, a, "x", 1, 0), 1);
	assert_false(open_says_changed(writer, b));
	assert_int_equal(mapfs_view_close(writer), 0);
}

/* --- history ----------------------------------------------------------- */

struct told {
	mapfs_ino ino[4];
	size_t count;
	size_t names;
};

static void note(void *arg, const struct mapfs_invalidation *s)
{
	struct told *t = arg;

	if (s->name) {
		t->names++;
		return;
	}
	assert_true(t->count < 4);
	t->ino[t->count++] = s->ino;
}

/* A page as the kernel writes it back. */
static void write_back(struct fixture *f, mapfs_ino ino)
{
	assert_int_equal(mapfs_write(f->v, mapfs_file_of(ino),
				     WRITE_CACHED("x", 1, 0)),
			 1);
}

/* Notes each window, whose pages of before the kernel sends meanwhile. */
struct kernel {
	struct fixture *f;
	struct told told;
};

static void forget_pages(void *arg, const struct mapfs_invalidation *s)
{
	struct kernel *k = arg;
	const bool is_again = k->told.count == 2;

	note(&k->told, s);
	if (is_again)
		return;
	write_back(k->f, s->ino);
	mapfs_invalidated(k->f->v, s->ino);
}

static void test_window__rollback_tells_of_each_window(void **state)
{
	struct fixture *f = *state;
	struct kernel kernel = { .f = f };
	const struct told *told = &kernel.told;
	struct reason why;
	mapfs_ino part;
	mapfs_ino rest;

	open_two(f);
	part = ino_of(f, root_ino(f), "part");
	rest = ino_of(f, root_ino(f), "rest");
	assert_int_equal(mapfs_snapshot_create(f->v, "s", "", &why), 0);
	assert_int_equal(write_at(f->v, part, "x", 1, 0), 1);
	assert_int_equal(mapfs_rollback(f->v, "s", forget_pages, &kernel, &why),
			 0);
	assert_int_equal(told->ino[0], part);
	assert_int_equal(told->ino[1], rest);
	/* Pages that the kernel sent before both had told are those of before. */
	assert_content(f, part, 0, "b", 1);
	assert_content(f, rest, 0, "b", 1);
	/* A program may have written one of them after the first was told. */
	assert_int_equal(told->count, 3);
	assert_int_equal(told->ino[2], part);
	write_back(f, part);
	assert_content(f, part, 0, "x", 1);
}

static void test_window__follows_its_path_through_a_rollback(void **state)
{
	struct fixture *f = *state;
	static const struct mapfs_window windows[] = {
		{ "w", "small", 0, MAPFS_WINDOW_OPEN },
	};
	struct told told = { 0 };
	struct reason why;
	mapfs_ino w;

	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(mapfs_snapshot_create(f->v, "s", "", &why), 0);
	assert_int_equal(mapfs_rename(f->v, RENAME(root_ino(f), "big",
						   root_ino(f), "small", 0)),
			 0);
	close_copy(f);
	assert_int_equal(try_windows(f, windows, 1, &why), 0);
	w = ino_of(f, root_ino(f), "w");
	assert_content(f, w, 0, "bbbbb", 5);
	assert_int_equal(mapfs_rollback(f->v, "s", note, &told, &why), 0);
	assert_content(f, w, 0, "hello", 5);
	assert_int_equal(attr_of(f, w).size_bytes, 5);
	assert_true(told.count > 0);
	assert_int_equal(told.ino[told.count - 1], w);
	/* Who looked in between may have been told that there is no such name. */
	assert_int_equal(told.names, 1);
}

/* s1 has a directory "d", s2 has d/f; a window is never of a directory. */
static void test_window__is_gone_with_its_file(void **state)
{
	struct fixture *f = *state;
	static const struct mapfs_window windows[] = {
		{ "w", "d/f", 0, MAPFS_WINDOW_OPEN },
	};
	struct told told = { 0 };
	struct mapfs_entry e;
	struct reason why;
	mapfs_ino w;

	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(
		mapfs_mkdir(f->v, NEW(&nobody, root_ino(f), "d", 0755), &e), 0);
	assert_int_equal(mapfs_snapshot_create(f->v, "s1", "", &why), 0);
	assert_int_equal(
		mapfs_mknod(f->v, NEW(&nobody, e.attr.ino, "f", S_IFREG | 0644),
			    &e),
		0);
	assert_int_equal(write_at(f->v, e.attr.ino, "made", 4, 0), 4);
	assert_int_equal(mapfs_snapshot_create(f->v, "s2", "", &why), 0);
	close_copy(f);
	assert_int_equal(try_windows(f, windows, 1, &why), 0);
	w = ino_of(f, root_ino(f), "w");
	assert_int_equal(mapfs_rollback(f->v, "s1", note, &told, &why), 0);
	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "w", &e), -ENOENT);
	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(w), &e.attr),
			 -ESTALE);
	mapfs_invalidated(f->v, w);
	assert_int_equal(mapfs_rollback(f->v, "s2", note, &told, &why), 0);
	assert_int_equal(ino_of(f, root_ino(f), "w"), w);
	assert_content(f, w, 0, "made", 4);
	assert_int_equal(told.names, 2);
}

/* Two files become two names of one file: [C1] allows one window of the byte. */
static void test_window__hides_one_that_overlaps_after_a_rollback(void **state)
{
	struct fixture *f = *state;
	static const struct mapfs_window windows[] = {
		{ "a", "small", 0, 4 },
		{ "b", "link", 0, 4 },
	};
	struct told told = { 0 };
	struct mapfs_entry e;
	struct reason why;

	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(mapfs_link(f->v, ino_of(f, root_ino(f), "small"),
				    root_ino(f), "link", &e),
			 0);
	assert_int_equal(mapfs_snapshot_create(f->v, "s", "", &why), 0);
	assert_int_equal(mapfs_rename(f->v, RENAME(root_ino(f), "big",
						   root_ino(f), "link", 0)),
			 0);
	close_copy(f);
	assert_int_equal(try_windows(f, windows, 2, &why), 0);
	assert_int_equal(mapfs_rollback(f->v, "s", note, &told, &why), 0);
	assert_content(f, ino_of(f, root_ino(f), "a"), 0, "hell", 4);
	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "b", &e), -ENOENT);
}

static void test_window__revert_is_of_whole_files(void **state)
{
	struct fixture *f = *state;
	struct told told = { 0 };
	struct reason why;
	mapfs_ino part;

	open_two(f);
	part = ino_of(f, root_ino(f), "part");
	assert_int_equal(write_at(f->v, part, "x", 1, 0), 1);
	assert_int_equal(mapfs_revert(f->v, "part", note, &told, &why),
			 -EINVAL);
	assert_non_null(strstr(why.text, "is a part of big"));
	assert_int_equal(mapfs_revert(f->v, "", note, &told, &why), 0);
	assert_content(f, part, 0, "b", 1);
	mapfs_invalidated(f->v, part);
	mapfs_invalidated(f->v, ino_of(f, root_ino(f), "rest"));
	assert_int_equal(write_at(f->v, part, "x", 1, 0), 1);
	told.count = 0;
	assert_int_equal(mapfs_revert(f->v, "big", note, &told, &why), 0);
	assert_content(f, part, 0, "b", 1);
}

/* --- a base that is a file ---------------------------------------------- */

static void open_file_base(struct fixture *f, bool root_is_file)
{
	char path[128];
	struct reason why;
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base = path,
		.store = f->store,
		.root_is_file = root_is_file,
	};
	int err;

	(void)snprintf(path, sizeof(path), "%s/small", f->base);
	err = mapfs_view_open(&f->v, &opt, &why);
	if (err)
		print_message("%s\n", why.text);
	assert_int_equal(err, 0);
}

static void test_window__file_base_is_one_whole_window(void **state)
{
	struct fixture *f = *state;
	mapfs_ino small;

	open_file_base(f, false);
	small = ino_of(f, root_ino(f), "small");
	assert_int_equal(write_at(f->v, small, "HELLO!", 6, 0), 6);
	close_copy(f);
	/* The same store, with the file as root. */
	open_file_base(f, true);
	assert_int_equal(root_ino(f), small);
	assert_content(f, root_ino(f), 0, "HELLO!", 6);
	assert_base_untouched(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_copy(test_window__is_a_part_of_its_file),
		test_with_copy(test_window__fixed_one_ends_as_a_device),
		test_with_copy(
			test_window__open_one_grows_and_shrinks_its_file),
		test_with_copy(test_window__shows_an_end_that_moved),
		test_with_copy(test_window__seek_stays_inside),
		test_with_copy(test_window__copies_into_another_one),
		test_with_copy(test_window__has_the_pages_of_its_part),
		test_with_copy(test_window__names_never_change),
		test_with_copy(test_window__number_is_the_same_in_each_mount),
		test_with_copy(test_window__refuses_what_is_not_possible),
		test_with_copy(test_window__two_files_may_have_the_same_place),
		test_with_copy(test_window__image_has_one_writer),
		test_with_copy(test_window__each_one_tells_of_a_changed_base),
		test_with_copy(test_window__rollback_tells_of_each_window),
		test_with_copy(
			test_window__follows_its_path_through_a_rollback),
		test_with_copy(test_window__is_gone_with_its_file),
		test_with_copy(
			test_window__hides_one_that_overlaps_after_a_rollback),
		test_with_copy(test_window__revert_is_of_whole_files),
		test_with_copy(test_window__file_base_is_one_whole_window),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Programs that change a base file through a shared mapping: bytes of two
 * versions of a file are never mixed [S7], on a file system with time stamps
 * that tell, and in memory, where they tell nothing.
 */
#include "tests/unit/support/overlay_fixture.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define PAGES (BIG_BYTES / MAPFS_PAGE_SIZE)
#define LARGE_BYTES ((16U << 20) + MAPFS_PAGE_SIZE)

static int begin_in_memory(void **state)
{
	return overlay_fixture_begin_in(state, "/dev/shm");
}

static int begin_on_disk(void **state)
{
	return overlay_fixture_begin_in(state, "/var/tmp");
}

#define test_in_memory(fn)                                   \
	cmocka_unit_test_setup_teardown(fn, begin_in_memory, \
					overlay_fixture_end)
#define test_on_disk(fn) \
	cmocka_unit_test_setup_teardown(fn, begin_on_disk, overlay_fixture_end)

static void need(const struct fixture *f, bool in_memory)
{
	struct statfs fs;

	assert_int_equal(statfs(f->base, &fs), 0);
	if ((fs.f_type == TMPFS_MAGIC) != in_memory)
		skip();
}

static int base_open_big(struct fixture *f, int flags)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/big", f->base);
	fd = open(path, flags);
	assert_true(fd >= 0);
	return fd;
}

/*
 * A program at work: it has stored into every page of the mapping, so nothing
 * stops its next store, and has closed the descriptor.
 */
static char *map_big(struct fixture *f)
{
	int fd = base_open_big(f, O_RDWR);
	char *map = mmap(NULL, BIG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);

	assert_ptr_not_equal(map, MAP_FAILED);
	close(fd);
	for (unsigned int n = 0; n < PAGES; n++)
		map[n * MAPFS_PAGE_SIZE] = '1';
	return map;
}

static ssize_t put(struct fixture *f, mapfs_ino ino, char byte, uint64_t off)
{
	const struct mapfs_write w = { .buf = &byte, .len = 1, .off = off };

	return mapfs_write(f->v, mapfs_file_of(ino), &w);
}

static ssize_t put_page(struct fixture *f, mapfs_ino ino)
{
	char page[MAPFS_PAGE_SIZE] = "new";
	const struct mapfs_write w = { .buf = page, .len = sizeof(page) };

	return mapfs_write(f->v, mapfs_file_of(ino), &w);
}

static ssize_t get(struct fixture *f, mapfs_ino ino, uint64_t off, char *out)
{
	return mapfs_read(f->v, mapfs_file_of(ino), out, 1, off);
}

static struct stat stat_big(struct fixture *f)
{
	struct stat st;
	int fd = base_open_big(f, O_RDONLY);

	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	return st;
}

static int count_drift(void *arg, const char *path, bool is_gone)
{
	assert_string_equal(path, "big");
	assert_false(is_gone);
	++*(int *)arg;
	return 0;
}

static int drifts(struct fixture *f)
{
	int count = 0;

	assert_int_equal(mapfs_drift(f->v, count_drift, &count), 0);
	return count;
}

static void test_guard__store_after_first_change_is_no_mixture(void **state)
{
	struct fixture *f = *state;
	struct stat was;
	struct stat now;
	mapfs_ino big;
	char *map;
	char c = 0;

	need(f, false);
	map = map_big(f);
	open_copy(f, MAPFS_STORE_DIR);
	big = ino_of(f, root_ino(f), "big");
	was = stat_big(f);
	assert_int_equal(put(f, big, 'x', 5), 1);
	now = stat_big(f);
	assert_memory_equal(&was.st_mtim, &now.st_mtim, sizeof(now.st_mtim));
	assert_memory_equal(&was.st_ctim, &now.st_ctim, sizeof(now.st_ctim));
	/* Nobody stored meanwhile: the rest shows. */
	assert_int_equal(get(f, big, 7 * MAPFS_PAGE_SIZE, &c), 1);
	assert_int_equal(c, '1');
	assert_int_equal(drifts(f), 0);
	map[7 * MAPFS_PAGE_SIZE] = '2';
	assert_int_equal(get(f, big, 7 * MAPFS_PAGE_SIZE, &c), -EIO);
	assert_int_equal(get(f, big, 5, &c), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(drifts(f), 1);
	munmap(map, BIG_BYTES);
	reopen_copy(f);
	assert_int_equal(drifts(f), 1);
}

static void test_guard__truncation_of_a_mapped_file_is_guarded(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_setattr set = {
		.valid = MAPFS_SET_SIZE,
		.size_bytes = 9 * MAPFS_PAGE_SIZE,
	};
	struct mapfs_attr attr;
	mapfs_ino big;
	char *map;
	char c;

	need(f, false);
	map = map_big(f);
	open_copy(f, MAPFS_STORE_DIR);
	big = ino_of(f, root_ino(f), "big");
	assert_int_equal(get(f, big, 7 * MAPFS_PAGE_SIZE, &c), 1);
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(big), &set, &attr),
			 0);
	map[7 * MAPFS_PAGE_SIZE] = '2';
	assert_int_equal(get(f, big, 7 * MAPFS_PAGE_SIZE, &c), -EIO);
	munmap(map, BIG_BYTES);
}

/* A kernel that has read nothing can write back nothing of the base. */
static void test_guard__whole_page_is_guarded_by_the_first_read(void **state)
{
	struct fixture *f = *state;
	mapfs_ino big;
	char *map;
	char c;

	need(f, false);
	map = map_big(f);
	open_copy(f, MAPFS_STORE_DIR);
	big = ino_of(f, root_ino(f), "big");
	assert_int_equal(put_page(f, big), MAPFS_PAGE_SIZE);
	map[7 * MAPFS_PAGE_SIZE] = '2';
	/* Or the kernel wrote the page back just now, and the store shows. */
	if (get(f, big, 7 * MAPFS_PAGE_SIZE, &c) == 1)
		assert_int_equal(c, '2');
	map[8 * MAPFS_PAGE_SIZE] = '3';
	assert_int_equal(get(f, big, 8 * MAPFS_PAGE_SIZE, &c), -EIO);
	munmap(map, BIG_BYTES);
}

/* What the kernel writes back may hold bytes of the version that it has read. */
static void test_guard__version_that_was_read_is_the_signature(void **state)
{
	struct fixture *f = *state;
	char text[BIG_BYTES];
	mapfs_ino big;
	char c;

	open_copy(f, MAPFS_STORE_DIR);
	big = ino_of(f, root_ino(f), "big");
	assert_int_equal(get(f, big, 0, &c), 1);
	memset(text, '2', sizeof(text));
	put_file(f->base, "big", text, sizeof(text));
	assert_int_equal(put(f, big, 'x', 5), -EIO);
	assert_int_equal(put_page(f, big), MAPFS_PAGE_SIZE);
	assert_int_equal(get(f, big, 7 * MAPFS_PAGE_SIZE, &c), -EIO);
	assert_int_equal(get(f, big, 0, &c), 1);
	assert_int_equal(c, 'n');
	reopen_copy(f);
	assert_int_equal(drifts(f), 1);
}

static void test_guard__failure_changes_nothing(void **state)
{
	struct fixture *f = *state;
	mapfs_ino big;
	char *map;
	char c;

	need(f, false);
	map = map_big(f);
	open_copy(f, MAPFS_STORE_DIR);
	big = ino_of(f, root_ino(f), "big");
	fault_arm_name("base.guard", EIO);
	assert_int_equal(put(f, big, 'x', 5), -EIO);
	fault_disarm();
	assert_int_equal(get(f, big, 5, &c), 1);
	assert_int_equal(c, 'b');
	assert_int_equal(put(f, big, 'x', 5), 1);
	munmap(map, BIG_BYTES);
}

static void test_guard__file_in_memory_is_copied(void **state)
{
	struct fixture *f = *state;
	mapfs_ino big;
	char *map;
	char c;

	need(f, true);
	map = map_big(f);
	open_copy(f, MAPFS_STORE_DIR);
	big = ino_of(f, root_ino(f), "big");
	assert_int_equal(put(f, big, 'x', 5), 1);
	map[7 * MAPFS_PAGE_SIZE] = '2';
	assert_int_equal(get(f, big, 7 * MAPFS_PAGE_SIZE, &c), 1);
	assert_int_equal(c, '1');
	assert_int_equal(get(f, big, 5, &c), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(drifts(f), 0);
	reopen_copy(f);
	big = ino_of(f, root_ino(f), "big");
	assert_int_equal(get(f, big, 7 * MAPFS_PAGE_SIZE, &c), 1);
	assert_int_equal(c, '1');
	munmap(map, BIG_BYTES);
}

static void test_guard__large_file_in_memory_is_refused(void **state)
{
	struct fixture *f = *state;
	mapfs_ino big;
	char *map;
	int fd;

	need(f, true);
	map = map_big(f);
	fd = base_open_big(f, O_RDWR);
	assert_int_equal(ftruncate(fd, LARGE_BYTES), 0);
	close(fd);
	open_copy(f, MAPFS_STORE_DIR);
	big = ino_of(f, root_ino(f), "big");
	assert_int_equal(put(f, big, 'x', 5), -ETXTBSY);
	munmap(map, BIG_BYTES);
	assert_int_equal(put(f, big, 'x', 5), 1);
}

static void test_guard__later_writer_in_memory_is_drift(void **state)
{
	struct fixture *f = *state;
	mapfs_ino big;
	char c;
	int fd;

	need(f, true);
	open_copy(f, MAPFS_STORE_DIR);
	big = ino_of(f, root_ino(f), "big");
	assert_int_equal(put(f, big, 'x', 5), 1);
	assert_int_equal(drifts(f), 0);
	fd = base_open_big(f, O_RDWR);
	assert_int_equal(get(f, big, 7 * MAPFS_PAGE_SIZE, &c), -EIO);
	assert_int_equal(get(f, big, 5, &c), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(drifts(f), 1);
	close(fd);
	assert_int_equal(get(f, big, 7 * MAPFS_PAGE_SIZE, &c), 1);
	assert_int_equal(drifts(f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_on_disk(
			test_guard__store_after_first_change_is_no_mixture),
		test_on_disk(
			test_guard__truncation_of_a_mapped_file_is_guarded),
		test_on_disk(
			test_guard__whole_page_is_guarded_by_the_first_read),
		test_with_copy(
			test_guard__version_that_was_read_is_the_signature),
		test_on_disk(test_guard__failure_changes_nothing),
		test_in_memory(test_guard__file_in_memory_is_copied),
		test_in_memory(test_guard__large_file_in_memory_is_refused),
		test_in_memory(test_guard__later_writer_in_memory_is_drift),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

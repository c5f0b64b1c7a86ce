/* SPDX-License-Identifier: MIT */
/*
 * Damage of what a commit keeps in the store: undoing notices it before the
 * first byte is written to the base, and names it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/checksum.h"
#include "core/lib/le.h"
#include "tests/unit/support/commit_fixture.h"
#include "tests/unit/support/tree_text.h"

/* Bytes that a commit of change() saves. */
#define A_BYTES 8192
#define B_BYTES 20480
#define SAVED_BYTES (A_BYTES + B_BYTES)

static int setup(void **state)
{
	struct fixture *f = fixture_create();
	const struct timespec old[2] = { { .tv_sec = 1000 },
					 { .tv_sec = 1000 } };

	assert_int_equal(mkdir(f->base, 0755), 0);
	b_put(f, "a", 'a', A_BYTES, 0);
	b_put(f, "b", 'b', B_BYTES, 0);
	b_put(f, "c", 'c', 100, 0);
	assert_int_equal(utimensat(AT_FDCWD, b_path(f, "c"), old, 0), 0);
	f->before = base_text(f);
	open_view(f);
	v_set(f, "a",
	      &(struct mapfs_setattr){ .valid = MAPFS_SET_SIZE,
				       .size_bytes = 0 });
	v_set(f, "b",
	      &(struct mapfs_setattr){ .valid = MAPFS_SET_SIZE,
				       .size_bytes = 0 });
	v_write(f, "a", "A", 1, 0);
	v_write(f, "b", "B", 1, 0);
	v_unlink(f, "c");
	v_put(f, "new", "new");
	close_view(f);
	commit(f, MAPFS_STOP);
	*state = f;
	return 0;
}

static int open_part(const struct fixture *f, const char *name)
{
	char path[160];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/commit/1/%s", f->store, name);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	return fd;
}

static void flip(const struct fixture *f, const char *name, off_t at)
{
	int fd = open_part(f, name);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Where the bytes of a file begin in `saved`: they are full of its name. */
static off_t place_of(const struct fixture *f, char name)
{
	int fd = open_part(f, "saved");
	char first;

	assert_int_equal(pread(fd, &first, 1, 0), 1);
	close(fd);
	if (first == name)
		return 0;
	return name == 'a' ? B_BYTES : A_BYTES;
}

/* Refused, with these words, and base and store stay as they are. */
static void assert_refused(struct fixture *f, const char *file,
			   const char *word)
{
	char *base = base_text(f);
	int err = try_undo(f);

	assert_true(err == -EBADMSG || err == -EUCLEAN);
	if (!strstr(f->why.text, file) || !strstr(f->why.text, word))
		fail_msg("%s, %s: %s", file, word, f->why.text);
	if (strstr(file, "commit/1/saved"))
		assert_non_null(strstr(f->why.text, "--skip-damaged"));
	assert_base(f, base, "base after a refused undo");
	free(base);
	open_view(f);
	close_view(f);
}

static void test_sums__a_flipped_bit_of_saved_is_named(void **state)
{
	static const off_t places[] = { 0,    4095,	   4096,
					8191, A_BYTES + 8, SAVED_BYTES - 1 };
	struct fixture *f = *state;

	for (size_t n = 0; n < sizeof(places) / sizeof(*places); n++) {
		flip(f, "saved", places[n]);
		assert_refused(f, "commit/1/saved", ": its bytes");
		flip(f, "saved", places[n]);
	}
	undo(f);
	assert_base(f, f->before, "base after an undo");
}

static void test_sums__a_flipped_bit_of_other_files_is_named(void **state)
{
	static const char *const files[] = { "plan", "after", "inos", "sums" };
	static const off_t places[] = { 0, 20, 40 };
	struct fixture *f = *state;

	for (size_t n = 0; n < sizeof(files) / sizeof(*files); n++) {
		for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
			flip(f, files[n], places[i]);
			assert_refused(f, files[n], "bytes");
			flip(f, files[n], places[i]);
		}
	}
	undo(f);
	assert_base(f, f->before, "base after an undo");
}

/* Goal: right bytes in a wrong place are wrong, and so are zeros. */
static void test_sums__blocks_that_changed_places_are_noticed(void **state)
{
	struct fixture *f = *state;
	const char zeros[4096] = { 0 };
	char of_a[4096]; /* the first file */
	char of_b[4096]; /* the second one */
	const bool a_is_first = place_of(f, 'a') == 0;
	int fd = open_part(f, "saved");

	assert_int_equal(pread(fd, of_a, sizeof(of_a), 0), sizeof(of_a));
	assert_int_equal(pread(fd, of_b, sizeof(of_b), 24576), sizeof(of_b));
	assert_memory_not_equal(of_a, of_b, sizeof(of_a));
	assert_int_equal(pwrite(fd, of_b, sizeof(of_b), 0), sizeof(of_b));
	assert_refused(f, "saved",
		       a_is_first ? "a: its bytes" : "b: its bytes");
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 0), sizeof(zeros));
	assert_refused(f, "saved",
		       a_is_first ? "a: its bytes" : "b: its bytes");
	assert_int_equal(pwrite(fd, of_a, sizeof(of_a), 0), sizeof(of_a));
	assert_int_equal(ftruncate(fd, SAVED_BYTES - 10), 0);
	assert_refused(f, "saved",
		       a_is_first ? "b: its bytes" : "a: its bytes");
	close(fd);
}

/* Goal: the sums of another commit are not believed. */
static void test_sums__belong_to_one_commit(void **state)
{
	struct fixture *f = *state;
	char mine[160];
	char other[160];

	open_view(f);
	v_write(f, "a", "2", 1, 0);
	close_view(f);
	commit(f, MAPFS_STOP);
	(void)snprintf(mine, sizeof(mine), "%s/commit/2/sums", f->store);
	(void)snprintf(other, sizeof(other), "%s/commit/1/sums", f->store);
	assert_int_equal(rename(other, mine), 0);
	assert_refused(f, "commit/2/sums", "bytes");
	assert_int_equal(unlink(mine), 0);
	assert_refused(f, "commit/2/sums", "is gone");
}

static void count_line(void *arg, const char *line)
{
	unsigned int *count = arg;

	assert_non_null(strstr(line, "a: its former bytes are damaged"));
	(*count)++;
}

/* Goal: what is sound can be undone all the same. */
static void test_sums__the_rest_is_undone(void **state)
{
	struct fixture *f = *state;
	struct mapfs_commit_options opt = commit_options(f, MAPFS_STOP);
	unsigned int count = 0;
	struct stat st;

	flip(f, "saved", place_of(f, 'a') + 4500);
	opt.skip_damaged = true;
	opt.left_out = count_line;
	opt.left_out_arg = &count;
	assert_int_equal(mapfs_commit_undo(&opt, &f->why), 0);
	assert_int_equal(count, 1);
	assert_int_equal(stat(b_path(f, "a"), &st), 0);
	assert_int_equal(st.st_size, 1);
	assert_int_equal(stat(b_path(f, "b"), &st), 0);
	assert_int_equal(st.st_size, B_BYTES);
	assert_int_equal(access(b_path(f, "c"), F_OK), 0);
	assert_int_equal(access(b_path(f, "new"), F_OK), -1);
	open_view(f);
	close_view(f);
}

/* The file that the commit removed, as the store keeps it. */
static void kept_path(const struct fixture *f, char path[320])
{
	char dir[160];
	const struct dirent *e;
	DIR *d;

	(void)snprintf(dir, sizeof(dir), "%s/commit/1/gone", f->store);
	d = opendir(dir);
	assert_non_null(d);
	while ((e = readdir(d)) && e->d_name[0] == '.')
		;
	assert_non_null(e);
	(void)snprintf(path, 320, "%s/%.20s", dir, e->d_name);
	closedir(d);
}

/* Goal: undo never puts back another file than the commit removed. */
static void test_sums__a_removed_file_that_changed_is_named(void **state)
{
	struct fixture *f = *state;
	struct mapfs_commit_options opt = commit_options(f, MAPFS_STOP);
	struct stat st;
	char path[320];
	char away[336];
	int fd;

	kept_path(f, path);
	(void)snprintf(away, sizeof(away), "%s-away", path);
	assert_int_equal(rename(path, away), 0);
	assert_refused(f, "commit/1/gone/", "is missing from the store");
	assert_int_equal(rename(away, path), 0);
	assert_int_equal(stat(path, &st), 0);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "x", 1, 5), 1);
	assert_refused(f, "commit/1/gone/", "is damaged");
	assert_int_equal(ftruncate(fd, 50), 0);
	assert_int_equal(
		futimens(fd, (struct timespec[]){ st.st_atim, st.st_mtim }), 0);
	close(fd);
	assert_refused(f, "commit/1/gone/", "--skip-damaged");
	opt.skip_damaged = true;
	assert_int_equal(mapfs_commit_undo(&opt, &f->why), 0);
	assert_int_equal(access(b_path(f, "c"), F_OK), -1);
	assert_int_equal(stat(b_path(f, "b"), &st), 0);
	assert_int_equal(st.st_size, B_BYTES);
	assert_int_equal(access(path, F_OK), 0);
}

/* Goal: what is missing has a name, in time. */
static void test_sums__a_missing_file_is_named(void **state)
{
	static const char *const names[] = { "plan",  "saved", "inos",
					     "after", "gone",  "sums" };
	struct fixture *f = *state;

	for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++) {
		char path[160];
		char away[160];
		char file[32];

		(void)snprintf(file, sizeof(file), "/1/%s:", names[n]);
		(void)snprintf(path, sizeof(path), "%s/commit/1/%s", f->store,
			       names[n]);
		(void)snprintf(away, sizeof(away), "%s/away", f->dir);
		assert_int_equal(rename(path, away), 0);
		assert_refused(f, file, "put it back");
		assert_int_equal(rename(away, path), 0);
	}
	undo(f);
	assert_base(f, f->before, "base after an undo");
}

/* As an earlier version wrote it: version 1, and nothing said of sums. */
static void make_old(const struct fixture *f)
{
	int fd = open_part(f, "plan");
	char path[160];
	struct stat st;
	uint8_t *buf;
	le64 sum;

	assert_int_equal(fstat(fd, &st), 0);
	buf = malloc((size_t)st.st_size);
	assert_non_null(buf);
	assert_int_equal(pread(fd, buf, (size_t)st.st_size, 0), st.st_size);
	buf[8] = 1;
	buf[32 + 8] &= 1;
	sum = le64_of(checksum64(buf + 32, (size_t)st.st_size - 32,
				 checksum64(buf, 24, 0)));
	memcpy(buf + 24, &sum, sizeof(sum));
	assert_int_equal(pwrite(fd, buf, (size_t)st.st_size, 0), st.st_size);
	free(buf);
	close(fd);
	(void)snprintf(path, sizeof(path), "%s/commit/1/sums", f->store);
	assert_int_equal(unlink(path), 0);
}

static void test_sums__a_commit_without_them_is_undone(void **state)
{
	struct fixture *f = *state;

	make_old(f);
	undo(f);
	assert_base(f, f->before, "base after an undo");
}

#define CASE(name)                                                \
	cmocka_unit_test_setup_teardown(test_sums__##name, setup, \
					fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_flipped_bit_of_saved_is_named),
		CASE(a_flipped_bit_of_other_files_is_named),
		CASE(blocks_that_changed_places_are_noticed),
		CASE(belong_to_one_commit),
		CASE(the_rest_is_undone),
		CASE(a_removed_file_that_changed_is_named),
		CASE(a_missing_file_is_named),
		CASE(a_commit_without_them_is_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

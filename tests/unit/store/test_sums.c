/* SPDX-License-Identifier: MIT */
/*
 * The sums of private pages [S3], with a store whose file of pages is changed
 * by hand, and with a process that dies or fails while it overwrites pages.
 *
 * Page n of file "f" has the byte 'a' + n in all places, and 'A' + n once it was
 * overwritten, so a test finds it in STORE/pages.
 */
#include "tests/unit/support/branch_fixture.h"
#include "tests/unit/support/child.h"
#include "tests/unit/support/overlay_fixture.h"
#include "tests/unit/support/points.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>

#include "core/journal/segment.h"
#include "core/lib/checksum.h"

#define PAGE 4096U
#define PAGES 8U

static struct reason why;

static char *page_of_byte(char c)
{
	static char page[PAGE];

	memset(page, c, sizeof(page));
	return page;
}

static mapfs_ino make_file(struct fixture *f)
{
	struct mapfs_entry e;

	assert_int_equal(
		mapfs_mknod(f->v,
			    NEW(&nobody, root_ino(f), "f", S_IFREG | 0644), &e),
		0);
	for (unsigned int n = 0; n < PAGES; n++)
		assert_int_equal(write_at(f->v, e.attr.ino,
					  page_of_byte((char)('a' + n)), PAGE,
					  (uint64_t)n * PAGE),
				 PAGE);
	return e.attr.ino;
}

/* A closed store with the file. */
static void make_store(struct fixture *f)
{
	open_copy(f, MAPFS_STORE_DIR);
	(void)make_file(f);
	close_copy(f);
}

static int open_pages(struct fixture *f)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/pages", f->store);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	return fd;
}

/* Where in STORE/pages is the page that begins with this byte? */
static off_t place_of(int fd, char c)
{
	char is;

	for (off_t at = 0; pread(fd, &is, 1, at) == 1; at += PAGE)
		if (is == c)
			return at;
	fail_msg("no page of %c", c);
	return -1;
}

/* One bit of the page that has these bytes. */
static void flip(struct fixture *f, char c)
{
	const char other = (char)(c ^ 1);
	int fd = open_pages(f);

	assert_int_equal(pwrite(fd, &other, 1, place_of(fd, c) + 77), 1);
	close(fd);
}

/* The byte in the middle of page n; 0: EIO. */
static char read_page(struct fixture *f, mapfs_ino ino, unsigned int n)
{
	char page[PAGE];
	ssize_t got = mapfs_read(f->v, mapfs_file_of(ino), page, sizeof(page),
				 (uint64_t)n * PAGE);

	if (got == -EIO)
		return 0;
	assert_int_equal(got, PAGE);
	return page[PAGE / 2];
}

/* `want` has a character for each page, '!' is EIO. */
static void assert_pages(struct fixture *f, const char *want)
{
	mapfs_ino ino = ino_of(f, root_ino(f), "f");
	char got[PAGES + 1] = "";

	for (unsigned int n = 0; n < PAGES; n++) {
		got[n] = read_page(f, ino, n);
		if (got[n] == 0)
			got[n] = '!';
	}
	assert_string_equal(got, want);
}

static int count_damage(void *arg, const struct mapfs_bad_page *d)
{
	assert_string_equal(d->path, "f");
	*(uint64_t *)arg += 1 + d->off_bytes;
	return 0;
}

/* 0: none; else one more than the offset of the only damaged page. */
static uint64_t damage_of(struct fixture *f)
{
	uint64_t sum = 0;

	assert_int_equal(mapfs_bad_pages(f->v, count_damage, &sum), 0);
	return sum;
}

static void test_sums__flipped_bit_is_eio_for_its_page_only(void **state)
{
	struct fixture *f = *state;
	char all[PAGES * PAGE];
	mapfs_ino ino;

	make_store(f);
	flip(f, 'd');
	open_copy(f, MAPFS_STORE_DIR);
	ino = ino_of(f, root_ino(f), "f");
	assert_int_equal(damage_of(f), 0);
	assert_pages(f, "abc!efgh");
	assert_int_equal(damage_of(f), 1 + 3 * PAGE);
	/* A read that is not aligned meets it, too, and one of many pages. */
	assert_int_equal(mapfs_read(f->v, mapfs_file_of(ino), all, 10,
				    3 * PAGE + 1),
			 -EIO);
	assert_int_equal(mapfs_read(f->v, mapfs_file_of(ino), all, 10,
				    3 * PAGE - 5),
			 -EIO);
	assert_int_equal(mapfs_read(f->v, mapfs_file_of(ino), all, 10,
				    3 * PAGE - 10),
			 10);
	assert_int_equal(mapfs_read(f->v, mapfs_file_of(ino), all, sizeof(all),
				    0),
			 -EIO);
	assert_int_equal(damage_of(f), 1 + 3 * PAGE);
	reopen_copy(f);
	assert_pages(f, "abc!efgh");
	close_copy(f);
}

/* Else the sum of the new bytes would make the damaged ones look sound. */
static void test_sums__part_of_a_damaged_page_cannot_be_written(void **state)
{
	struct fixture *f = *state;
	mapfs_ino ino;

	make_store(f);
	flip(f, 'd');
	open_copy(f, MAPFS_STORE_DIR);
	ino = ino_of(f, root_ino(f), "f");
	assert_int_equal(write_at(f->v, ino, "x", 1, 3 * PAGE + 9), -EIO);
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(ino),
				       &(const struct mapfs_setattr){
					       .valid = MAPFS_SET_SIZE,
					       .size_bytes = 3 * PAGE + 9,
				       },
				       &(struct mapfs_attr){ .ino = 0 }),
			 -EIO);
	reopen_copy(f);
	assert_pages(f, "abc!efgh");
	assert_int_equal(write_at(f->v, ino_of(f, root_ino(f), "f"),
				  page_of_byte('D'), PAGE, 3 * PAGE),
			 PAGE);
	assert_pages(f, "abcDefgh");
	assert_int_equal(damage_of(f), 0);
	reopen_copy(f);
	assert_pages(f, "abcDefgh");
	close_copy(f);
}

/* Another page, an older version of the page, and zeros. */
static void test_sums__bytes_of_elsewhere_are_refused(void **state)
{
	struct fixture *f = *state;
	char page[PAGE] = { 0 };
	mapfs_ino ino;
	off_t at;
	int fd;

	make_store(f);
	fd = open_pages(f);
	at = place_of(fd, 'c');
	assert_int_equal(pwrite(fd, page_of_byte('a'), PAGE, at), PAGE);
	at = place_of(fd, 'e');
	assert_int_equal(pwrite(fd, page, PAGE, at), PAGE);
	at = place_of(fd, 'g');
	open_copy(f, MAPFS_STORE_DIR);
	ino = ino_of(f, root_ino(f), "f");
	assert_int_equal(write_at(f->v, ino, page_of_byte('G'), PAGE, 6 * PAGE),
			 PAGE);
	close_copy(f);
	assert_int_equal(pread(fd, page, PAGE, at), PAGE);
	assert_int_equal(page[0], 'G');
	assert_int_equal(pwrite(fd, page_of_byte('g'), PAGE, at), PAGE);
	close(fd);
	open_copy(f, MAPFS_STORE_DIR);
	assert_pages(f, "ab!d!f!h");
	close_copy(f);
}

static void open_past(struct fixture *f, struct fixture *past)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = f->store,
		.snapshot = "s",
	};

	*past = *f;
	assert_int_equal(mapfs_view_open(&past->v, &opt, &why), 0);
}

/* The sums stay with the pages, whichever journal has them. */
static void test_sums__snapshot_and_branch_have_them(void **state)
{
	struct fixture *f = *state;
	struct fixture branch = *f;
	struct fixture past;
	mapfs_ino ino;

	(void)snprintf(branch.store, sizeof(branch.store), "%.80s-branch",
		       f->store);
	open_copy(f, MAPFS_STORE_DIR);
	ino = make_file(f);
	assert_int_equal(mapfs_snapshot_create(f->v, "s", "", &why), 0);
	assert_int_equal(write_at(f->v, ino, page_of_byte('C'), PAGE, 2 * PAGE),
			 PAGE);
	close_copy(f);
	assert_int_equal(make_branch(f->store, "s", branch.store, &why), 0);
	flip(f, 'c');
	flip(f, 'f');
	open_past(f, &past);
	assert_pages(&past, "ab!de!gh");
	close_copy(&past);
	open_copy(&branch, MAPFS_STORE_DIR);
	assert_pages(&branch, "ab!de!gh");
	/* A new journal of the branch has the sums of the parent's pages. */
	assert_int_equal(mapfs_snapshot_create(branch.v, "t", "", &why), 0);
	assert_int_equal(mapfs_rollback(branch.v, "t", NULL, NULL, &why), 0);
	reopen_copy(&branch);
	assert_pages(&branch, "ab!de!gh");
	close_copy(&branch);
	open_copy(f, MAPFS_STORE_DIR);
	assert_pages(f, "abCde!gh");
	assert_int_equal(mapfs_rollback(f->v, "s", NULL, NULL, &why), 0);
	assert_pages(f, "ab!de!gh");
	reopen_copy(f);
	assert_pages(f, "ab!de!gh");
	close_copy(f);
}

#define ANCHOR_SLOT_BYTES 4096
#define ANCHOR_OFF_SEGMENT 40
#define ANCHOR_OFF_HEADER_SUM 48
#define ANCHOR_OFF_SUM 144

/* The anchor names the segment by the sum of its header. */
static void renew_anchor(struct fixture *f, uint64_t segment, le64 header_sum)
{
	char path[160];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/anchor", f->store);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	for (uint64_t slot = 0; slot < 2; slot++) {
		const off_t at = (off_t)(slot * ANCHOR_SLOT_BYTES);
		uint8_t d[ANCHOR_OFF_SUM + 8];
		le64 word;

		assert_int_equal(pread(fd, d, sizeof(d), at), sizeof(d));
		memcpy(&word, d + ANCHOR_OFF_SEGMENT, sizeof(word));
		if (le64_get(word) != segment)
			continue;
		memcpy(d + ANCHOR_OFF_HEADER_SUM, &header_sum,
		       sizeof(header_sum));
		word = le64_of(checksum64(d, ANCHOR_OFF_SUM, slot));
		memcpy(d + ANCHOR_OFF_SUM, &word, sizeof(word));
		assert_int_equal(pwrite(fd, d, sizeof(d), at), sizeof(d));
	}
	close(fd);
}

/* The newest segment, as another boot sees it. */
static void lose_power(struct fixture *f)
{
	struct segment_disk d;
	unsigned long newest = 0;
	struct dirent *e;
	char path[160];
	DIR *dir;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/journal", f->store);
	dir = opendir(path);
	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char *end;
		unsigned long n = strtoul(e->d_name, &end, 10);

		if (!*end && n > newest)
			newest = n;
	}
	closedir(dir);
	(void)snprintf(path, sizeof(path), "%s/journal/%lu", f->store, newest);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &d, sizeof(d), 0), sizeof(d));
	memset(d.epoch, 'x', sizeof(d.epoch));
	d.sum = le64_of(segment_sum(&d));
	assert_int_equal(pwrite(fd, &d, sizeof(d), 0), sizeof(d));
	close(fd);
	renew_anchor(f, newest, d.sum);
}

static void copy_pages(struct fixture *f, const char *from, const char *to)
{
	char cmd[400];

	(void)snprintf(cmd, sizeof(cmd), "cp %s/%s %s/%s", f->store, from,
		       f->store, to);
	assert_int_equal(system(cmd), 0);
}

/* What a machine that went down leaves of the pages that were not flushed. */
enum after_death {
	DIES_ALONE,  /* only the process died */
	NEW_ON_DISK, /* all of them reached the disk */
	OLD_ON_DISK, /* none of them */
	AFTER_DEATHS,
};

struct dying {
	struct fixture f;
	enum after_death how;
	mapfs_ino ino;
};

static void prepare(void *arg)
{
	struct dying *d = arg;
	char cmd[300];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", d->f.store);
	assert_int_equal(system(cmd), 0);
	make_store(&d->f);
	copy_pages(&d->f, "pages", "../pages.old");
}

static void begin(void *arg)
{
	struct dying *d = arg;

	open_copy(&d->f, MAPFS_STORE_DIR);
	d->ino = ino_of(&d->f, root_ino(&d->f), "f");
}

/* Overwrites in place, a whole page and a part of one, twice, and syncs. */
static int overwrite(void *arg)
{
	struct dying *d = arg;
	const struct mapfs_file file = mapfs_file_of(d->ino);
	ssize_t n = 0;
	int err = 0;

	for (int round = 0; !err && round < 2; round++) {
		n = mapfs_write(d->f.v, file,
				WRITE(page_of_byte('B'), PAGE, PAGE));
		if (n >= 0)
			n = mapfs_write(d->f.v, file,
					WRITE(page_of_byte('D'), PAGE / 2 + 1,
					      3 * PAGE));
		err = n < 0 ? (int)n : 0;
		if (!err && round == 0)
			err = mapfs_fsync(d->f.v, file, false);
	}
	return err;
}

static void check_readable(struct dying *d)
{
	const char *const whole = "abcdefgh";

	for (unsigned int n = 0; n < PAGES; n++) {
		char is = read_page(&d->f, ino_of(&d->f, root_ino(&d->f), "f"),
				    n);

		if (n == 1 || n == 3)
			assert_true(is == whole[n] || is == whole[n] - 32);
		else
			assert_int_equal(is, whole[n]);
	}
}

/* Opens the store and is killed, so that nothing is closed. */
static int open_and_die(void *arg)
{
	struct dying *d = arg;

	open_copy(&d->f, MAPFS_STORE_DIR);
	(void)raise(SIGKILL);
	return 0;
}

/* Every page can be read, at once and by the next mount. */
static void check_after_kill(void *arg, int result)
{
	struct dying *d = arg;

	if (d->how != DIES_ALONE)
		lose_power(&d->f);
	if (d->how == OLD_ON_DISK && result != 0)
		copy_pages(&d->f, "../pages.old", "pages");
	/* The machine may go down once more while the store is recovered. */
	assert_int_equal(child_run(open_and_die, d), -SIGKILL);
	if (d->how != DIES_ALONE)
		lose_power(&d->f);
	for (int mounts = 0; mounts < 2; mounts++) {
		open_copy(&d->f, MAPFS_STORE_DIR);
		check_readable(d);
		close_copy(&d->f);
	}
	/* Closing gave each page a sum again. */
	flip(&d->f, 'e');
	open_copy(&d->f, MAPFS_STORE_DIR);
	assert_int_equal(
		read_page(&d->f, ino_of(&d->f, root_ino(&d->f), "f"), 4), 0);
	close_copy(&d->f);
}

/*
 * OLD_ON_DISK is a disk that kept nothing since the first mount, so it fits
 * only as long as no sync point has ended: the operation is then cut short.
 */
static int overwrite_once(void *arg)
{
	struct dying *d = arg;
	ssize_t n = mapfs_write(d->f.v, mapfs_file_of(d->ino),
				WRITE(page_of_byte('B'), PAGE, PAGE));

	if (n >= 0)
		n = mapfs_write(d->f.v, mapfs_file_of(d->ino),
				WRITE(page_of_byte('D'), PAGE / 2 + 1,
				      3 * PAGE));
	return n < 0 ? (int)n : 0;
}

static void test_sums__killed_overwrite_leaves_no_damage(void **state)
{
	struct dying d = { .f = *(struct fixture *)*state };

	for (d.how = DIES_ALONE; d.how < AFTER_DEATHS; d.how++) {
		const struct points_test t = {
			.prepare = prepare,
			.begin = begin,
			.operation = d.how == OLD_ON_DISK ? overwrite_once :
							    overwrite,
			.check = check_after_kill,
		};

		assert_true(points_kill(&t, &d) > 3);
	}
}

static void check_after_failure(void *arg, int result)
{
	struct dying *d = arg;

	if (result == 0)
		assert_int_equal(read_page(&d->f, d->ino, 1), 'B');
	check_readable(d);
	/* A latched store reports it once more. */
	(void)!mapfs_view_close(d->f.v);
	open_copy(&d->f, MAPFS_STORE_DIR);
	check_readable(d);
	close_copy(&d->f);
}

static void test_sums__failed_overwrite_leaves_no_damage(void **state)
{
	struct dying d = { .f = *(struct fixture *)*state };
	const struct points_test t = {
		.prepare = prepare,
		.begin = begin,
		.operation = overwrite,
		.check = check_after_failure,
	};

	assert_true(points_fail(&t, EIO, &d) > 3);
	assert_true(points_fail(&t, ENOSPC, &d) > 1);
}

/* A part that the power cut could not touch is verified nevertheless. */
static int append_and_stay(void *arg)
{
	struct dying *d = arg;

	return (int)write_at(d->f.v, d->ino, page_of_byte('i'), PAGE,
			     (uint64_t)PAGES * PAGE) < 0;
}

static void check_verified(void *arg, int result)
{
	struct dying *d = arg;

	(void)result;
	lose_power(&d->f);
	flip(&d->f, 'd');
	open_copy(&d->f, MAPFS_STORE_DIR);
	assert_pages(&d->f, "abc!efgh");
	close_copy(&d->f);
}

static void test_sums__power_cut_keeps_those_of_quiet_regions(void **state)
{
	struct dying d = { .f = *(struct fixture *)*state };
	const struct points_test t = {
		.prepare = prepare,
		.begin = begin,
		.operation = append_and_stay,
		.check = check_verified,
	};

	assert_true(points_kill(&t, &d) > 1);
}

static int overwrite_and_die(void *arg)
{
	struct dying *d = arg;

	begin(d);
	(void)write_at(d->f.v, d->ino, page_of_byte('B'), PAGE, PAGE);
	(void)raise(SIGKILL);
	return 0;
}

static int snapshot_and_die(void *arg)
{
	struct dying *d = arg;

	begin(arg);
	(void)!mapfs_snapshot_create(d->f.v, "s", "", &why);
	(void)raise(SIGKILL);
	return 0;
}

/*
 * The snapshot kept the sum of the bytes before the overwrite, because nothing
 * said that the pages had none since the first death: they were EIO.
 */
static void test_sums__snapshot_after_a_kill_can_be_read(void **state)
{
	struct dying d = { .f = *(struct fixture *)*state };

	prepare(&d);
	assert_int_equal(child_run(overwrite_and_die, &d), -SIGKILL);
	assert_int_equal(child_run(snapshot_and_die, &d), -SIGKILL);
	lose_power(&d.f);
	begin(&d);
	assert_pages(&d.f, "aBcdefgh");
	close_copy(&d.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_copy(test_sums__flipped_bit_is_eio_for_its_page_only),
		test_with_copy(
			test_sums__part_of_a_damaged_page_cannot_be_written),
		test_with_copy(test_sums__bytes_of_elsewhere_are_refused),
		test_with_copy(test_sums__snapshot_and_branch_have_them),
		test_with_copy(test_sums__killed_overwrite_leaves_no_damage),
		test_with_copy(test_sums__failed_overwrite_leaves_no_damage),
		test_with_copy(
			test_sums__power_cut_keeps_those_of_quiet_regions),
		test_with_copy(test_sums__snapshot_after_a_kill_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The anchor [S4]: whatever disappears from a store is missed, and nothing that
 * a kill or a power cut leaves is taken for that.
 */
#include "tests/unit/support/child.h"
#include "tests/unit/support/overlay_fixture.h"
#include "tests/unit/support/points.h"

#include "core/mapfs_store.h"

#include <stdlib.h>
#include <sys/stat.h>

#define SLOT_BYTES 4096
#define CUTS 40
#define CUT_BYTES 128

static struct reason why;
/* Of the store and its copies. */
static char place[64];

__attribute__((format(printf, 1, 2))) static void sh(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	assert_int_equal(system(cmd), 0);
}

/* In memory if possible: thousands of fsyncs prove nothing here. */
static int begin(void **state)
{
	struct fixture *f;

	if (overlay_fixture_begin(state))
		return -1;
	f = *state;
	(void)snprintf(place, sizeof(place), "%s/mapfs-anchor-XXXXXX",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(place))
		return -1;
	(void)snprintf(f->store, sizeof(f->store), "%s/store", place);
	return 0;
}

static int end(void **state)
{
	sh("rm -rf %s", place);
	return overlay_fixture_end(state);
}

#define test_in_place(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

static int try_put(struct fixture *f, const char *text)
{
	struct mapfs_entry e;
	ssize_t n = mapfs_lookup(f->v, root_ino(f), "big", &e);

	if (n < 0)
		return (int)n;
	n = write_at(f->v, e.attr.ino, text, strlen(text), 0);
	mapfs_forget(f->v, e.attr.ino, 1);
	return n < 0 ? (int)n : 0;
}

static void put(struct fixture *f, const char *text)
{
	assert_int_equal(try_put(f, text), 0);
}

static int sync_view(struct fixture *f)
{
	return mapfs_fsync(f->v, mapfs_file_of(root_ino(f)), false);
}

static void assert_big(struct fixture *f, const char *want)
{
	struct mapfs_entry e;
	char big[4] = "";

	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "big", &e), 0);
	assert_int_equal(mapfs_read(f->v, mapfs_file_of(e.attr.ino), big, 3, 0),
			 3);
	mapfs_forget(f->v, e.attr.ino, 1);
	assert_string_equal(big, want);
}

static const char *warning(struct fixture *f)
{
	struct mapfs_info info = { .warning = NULL };

	mapfs_view_info(f->v, &info);
	return info.warning;
}

/* Its errno; the store is only read. */
/* A damaged store can be described, too, but says that it is damaged. */
static int describe(const struct fixture *f)
{
	struct mapfs_store_info info;
	int err = mapfs_store_describe(f->store, &info, &why);
	bool is_damaged;

	if (err)
		return err;
	is_damaged = info.is_damaged;
	mapfs_store_info_fini(&info);
	return is_damaged ? -EUCLEAN : 0;
}

static void expect_damage(struct fixture *f, const char *words)
{
	int err = try_open_copy(f, MAPFS_STORE_DIR, &why);

	assert_true(err == -EUCLEAN || err == -EBADMSG);
	if (!strstr(why.text, words))
		print_message("%s: %s\n", words, why.text);
	assert_non_null(strstr(why.text, words));
	assert_non_null(strstr(why.text, "mapfs check"));
	assert_non_null(strstr(why.text, "-o salvage"));
	f->v = NULL;
}

/* What a damage is done to; the arena's file stays the same one. */
static void save(const struct fixture *f, const char *as)
{
	sh("rm -rf %s/%s && mkdir %s/%s && cp -a %s/journal %s/anchor %s/%s",
	   place, as, place, as, f->store, f->store, place, as);
}

static void restore(const struct fixture *f, const char *as)
{
	sh("rm -rf %s/journal %s/anchor && cp -a %s/%s/* %s", f->store,
	   f->store, place, as, f->store);
}

/* Segment 1 was closed as "older"; so was 2, and "half" is from before. */
static void two_segments(struct fixture *f)
{
	open_copy(f, MAPFS_STORE_DIR);
	put(f, "one");
	assert_int_equal(mapfs_snapshot_create(f->v, "s", "", &why), 0);
	close_copy(f);
	save(f, "older");
	open_copy(f, MAPFS_STORE_DIR);
	put(f, "two");
	assert_int_equal(sync_view(f), 0);
	save(f, "half");
	assert_int_equal(mapfs_unlink(f->v, root_ino(f), "small"), 0);
	assert_int_equal(sync_view(f), 0);
	close_copy(f);
	save(f, "sound");
}

static void test_anchor__nothing_disappears_after_a_clean_end(void **state)
{
	static const struct {
		const char *injure; /* in the store's directory */
		const char *words;
	} cases[] = {
		{ "rm journal/2", "segment 2 (journal/2) is damaged: the file "
				  "is missing" },
		{ "rm journal/1", "segment 1 (journal/1) is damaged: the file "
				  "is missing" },
		{ "rm journal/*", "segment 2 (journal/2) and all others" },
		{ "cp ../half/journal/2 journal", "(journal/2) is damaged at "
						  "byte" },
		{ "cp journal/1 journal/2", "(journal/2) is damaged: it is not "
					    "the segment" },
		{ "rm -r journal && cp -r ../older/journal .",
		  "segment 2 (journal/2) is damaged: the file is missing" },
		{ "rm anchor", "its file anchor is missing" },
		{ ": >anchor", "its file anchor is damaged" },
		{ "truncate -s 0 anchor && truncate -s 8192 anchor",
		  "its file anchor is damaged" },
	};
	struct fixture *f = *state;

	two_segments(f);
	for (size_t n = 0; n < sizeof(cases) / sizeof(*cases); n++) {
		restore(f, "sound");
		sh("cd %s && %s", f->store, cases[n].injure);
		assert_int_not_equal(describe(f), 0);
		expect_damage(f, cases[n].words);
	}
	restore(f, "sound");
	sh("cp %s/pages %s && truncate -s -1 %s/pages", f->store, place,
	   f->store);
	expect_damage(f, "its file pages ends at byte");
	sh("cat %s/pages >%s/pages", place, f->store);
	assert_int_equal(describe(f), 0);
	open_copy(f, MAPFS_STORE_DIR);
	assert_big(f, "two");
	assert_null(warning(f));
	close_copy(f);
}

static void test_anchor__any_cut_of_a_closed_segment_is_missed(void **state)
{
	struct fixture *f = *state;
	char path[160];
	struct stat st;

	two_segments(f);
	(void)snprintf(path, sizeof(path), "%s/journal/2", f->store);
	assert_int_equal(stat(path, &st), 0);
	for (off_t n = 0; n < CUTS; n++) {
		restore(f, "sound");
		assert_int_equal(truncate(path, st.st_size * n / CUTS), 0);
		expect_damage(f, "segment 2 (journal/2) is damaged");
	}
}

/* Only the whole of it, pages too. */
static void test_anchor__older_copy_of_the_whole_store_is_sound(void **state)
{
	struct fixture *f = *state;

	open_copy(f, MAPFS_STORE_DIR);
	put(f, "one");
	close_copy(f);
	sh("cp -a %s %s/backup", f->store, place);
	open_copy(f, MAPFS_STORE_DIR);
	put(f, "two");
	close_copy(f);
	sh("rm -r %s && mv %s/backup %s", f->store, place, f->store);
	open_copy(f, MAPFS_STORE_DIR);
	assert_big(f, "one");
	assert_null(warning(f));
	close_copy(f);
}

static void test_anchor__one_of_two_slots_is_enough(void **state)
{
	struct fixture *f = *state;

	two_segments(f);
	for (int slot = 0; slot < 2; slot++) {
		restore(f, "sound");
		sh("printf X | dd of=%s/anchor bs=1 seek=%d conv=notrunc "
		   "2>/dev/null",
		   f->store, slot * SLOT_BYTES + 64);
		open_copy(f, MAPFS_STORE_DIR);
		assert_big(f, "two");
		close_copy(f);
		assert_int_equal(describe(f), 0);
	}
}

/* A daemon that dies: two synced changes, and one that was not. */
static int live_and_die(void *arg)
{
	struct fixture *f = arg;

	open_copy(f, MAPFS_STORE_DIR);
	put(f, "one");
	if (mapfs_snapshot_create(f->v, "s", "", &why))
		return 1;
	put(f, "two");
	_exit(mapfs_unlink(f->v, root_ino(f), "small") != 0);
}

static void test_anchor__torn_end_after_a_death_is_no_damage(void **state)
{
	struct fixture *f = *state;
	char path[160];
	struct stat st;
	unsigned int opened = 0;
	unsigned int refused = 0;

	assert_int_equal(child_run(live_and_die, f), 0);
	save(f, "sound");
	(void)snprintf(path, sizeof(path), "%s/journal/1", f->store);
	assert_int_equal(stat(path, &st), 0);
	for (off_t n = SLOT_BYTES / CUT_BYTES; n <= st.st_size / CUT_BYTES;
	     n++) {
		restore(f, "sound");
		assert_int_equal(truncate(path, n * CUT_BYTES), 0);
		if (try_open_copy(f, MAPFS_STORE_DIR, &why)) {
			assert_non_null(strstr(why.text, "segment 1"));
			assert_int_equal(opened, 0);
			refused++;
			continue;
		}
		/* The snapshot was durable, and what was before it. */
		if (opened++ == 0)
			assert_big(f, "one");
		assert_int_equal(mapfs_snapshot_create(f->v, "s", "", &why),
				 -EEXIST);
		close_copy(f);
	}
	restore(f, "sound");
	open_copy(f, MAPFS_STORE_DIR);
	assert_big(f, "two");
	close_copy(f);
	assert_true(refused > 2);
	assert_true(opened > 2);
}

static int step_open(struct fixture *f)
{
	return try_open_copy(f, MAPFS_STORE_DIR, &why);
}

static int step_put(struct fixture *f)
{
	put(f, "new");
	return 0;
}

static int step_snapshot(struct fixture *f)
{
	char name[32];
	static unsigned int n;

	(void)snprintf(name, sizeof(name), "n%u", n++);
	return mapfs_snapshot_create(f->v, name, "", &why);
}

static int step_rollback(struct fixture *f)
{
	return mapfs_rollback(f->v, "s", NULL, NULL, &why);
}

static int step_close(struct fixture *f)
{
	int err = mapfs_view_close(f->v);

	f->v = NULL;
	return err;
}

/*
 * Goal: a power cut may leave any anchor that was written, and none of them
 * makes the store look damaged.
 * Method: the life of a store, its journal and its anchor saved after each
 * step; each journal with each anchor that is not newer.
 */
static void test_anchor__older_anchor_is_never_wrong(void **state)
{
	static int (*const steps[])(struct fixture * f) = {
		step_open,     step_put,   sync_view,	  step_snapshot,
		step_put,      step_close, step_open,	  step_close,
		step_open,     step_put,   step_rollback, step_put,
		step_snapshot, step_put,   step_close,
	};
	const size_t count = sizeof(steps) / sizeof(*steps);
	struct fixture *f = *state;
	char name[16];

	open_copy(f, MAPFS_STORE_DIR);
	put(f, "one");
	assert_int_equal(mapfs_snapshot_create(f->v, "s", "", &why), 0);
	close_copy(f);
	for (size_t n = 0; n < count; n++) {
		assert_int_equal(steps[n](f), 0);
		(void)snprintf(name, sizeof(name), "%zu", n);
		save(f, name);
	}
	for (size_t n = 0; n < count; n++) {
		(void)snprintf(name, sizeof(name), "%zu", n);
		restore(f, name);
		for (size_t old = 0; old <= n; old++) {
			sh("cat %s/%zu/anchor >%s/anchor", place, old,
			   f->store);
			if (describe(f))
				print_message("%zu with %zu: %s\n", n, old,
					      why.text);
			assert_int_equal(describe(f), 0);
		}
	}
	/* The last anchor is exact, and the journal before has less. */
	restore(f, "13");
	sh("cat %s/14/anchor >%s/anchor", place, f->store);
	expect_damage(f, "segment");
}

static int live(void *arg)
{
	struct fixture *f = arg;
	int err = try_open_copy(f, MAPFS_STORE_DIR, &why);

	if (err) {
		f->v = NULL;
		return err;
	}
	err = try_put(f, "two");
	if (!err)
		err = sync_view(f);
	return err ? err : step_close(f);
}

static void make_store(void *arg)
{
	struct fixture *f = arg;

	sh("rm -rf %s", f->store);
	open_copy(f, MAPFS_STORE_DIR);
	put(f, "one");
	close_copy(f);
}

static void remove_store(void *arg)
{
	sh("rm -rf %s", ((struct fixture *)arg)->store);
}

static void check_sound(void *arg, int result)
{
	struct fixture *f = arg;

	if (f->v)
		(void)!step_close(f);
	open_copy(f, MAPFS_STORE_DIR);
	assert_null(warning(f));
	if (result == 0)
		assert_big(f, "two");
	close_copy(f);
	assert_int_equal(describe(f), 0);
}

static void test_anchor__death_or_failure_at_each_step(void **state)
{
	struct points_test test = {
		.prepare = make_store,
		.operation = live,
		.check = check_sound,
		.dies_twice = true,
	};

	assert_true(points_kill(&test, *state) > 10);
	(void)points_fail(&test, EIO, *state);
	(void)points_fail(&test, ENOSPC, *state);
	/* A store that is just being made. */
	test.prepare = remove_store;
	assert_true(points_kill(&test, *state) > 10);
	(void)points_fail(&test, EIO, *state);
}

static void test_anchor__copy_of_a_store_in_use_is_known(void **state)
{
	struct fixture *f = *state;
	struct fixture copy = *f;

	(void)snprintf(copy.store, sizeof(copy.store), "%.80s/copy", place);
	copy.v = NULL;
	open_copy(f, MAPFS_STORE_DIR);
	put(f, "one");
	assert_int_equal(sync_view(f), 0);
	assert_int_equal(mapfs_unlink(f->v, root_ino(f), "small"), 0);
	sh("cp -r %s %s", f->store, copy.store);
	close_copy(f);
	for (int n = 0; n < 2; n++) {
		open_copy(&copy, MAPFS_STORE_DIR);
		if (n == 0) {
			/* Not as if only the daemon had died. */
			(void)ino_of(&copy, root_ino(&copy), "small");
			assert_non_null(strstr(warning(&copy),
					       "is a copy that was taken"));
		} else {
			assert_null(warning(&copy));
		}
		close_copy(&copy);
	}
	sh("rm -r %s && cp -r %s %s", copy.store, f->store, copy.store);
	open_copy(&copy, MAPFS_STORE_DIR);
	assert_null(warning(&copy));
	close_copy(&copy);
}

/* The page was read before it was overwritten, and the journal after. */
static void
test_anchor__copy_that_does_not_fit_together_is_refused(void **state)
{
	struct fixture *f = *state;
	struct fixture copy = *f;
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = copy.store,
		.base = f->base,
		.salvage = true,
	};
	char before[8] = "";

	(void)snprintf(copy.store, sizeof(copy.store), "%.60s/copy", place);
	copy.v = NULL;
	open_copy(f, MAPFS_STORE_DIR);
	put(f, "one");
	assert_int_equal(sync_view(f), 0);
	sh("cp %s/pages %s", f->store, place);
	put(f, "two");
	assert_int_equal(sync_view(f), 0);
	sh("cp -r %s %s && cp %s/pages %s", f->store, copy.store, place,
	   copy.store);
	close_copy(f);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(try_open_copy(&copy, MAPFS_STORE_DIR, &why),
				 -EBADMSG);
		assert_non_null(strstr(why.text, "1 pages of 1 files"));
	}
	/* What is sound can be seen, and never the page. */
	assert_int_equal(mapfs_view_open(&copy.v, &opt, &why), 0);
	assert_int_equal(
		mapfs_read(copy.v,
			   mapfs_file_of(ino_of(&copy, root_ino(&copy), "big")),
			   before, 3, 0),
		-EIO);
	assert_int_equal(mapfs_view_close(copy.v), 0);
}

static void test_anchor__moved_store_is_no_copy(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(child_run(live_and_die, f), 0);
	sh("mv %s %s/moved", f->store, place);
	(void)snprintf(f->store, sizeof(f->store), "%.80s/moved", place);
	open_copy(f, MAPFS_STORE_DIR);
	assert_null(warning(f));
	assert_big(f, "two");
	close_copy(f);
}

static void test_anchor__segment_of_a_snapshot_is_missed(void **state)
{
	struct fixture *f = *state;

	open_copy(f, MAPFS_STORE_DIR);
	put(f, "one");
	assert_int_equal(mapfs_snapshot_create(f->v, "s", "", &why), 0);
	assert_int_equal(mapfs_rollback(f->v, "s", NULL, NULL, &why), 0);
	close_copy(f);
	sh("rm %s/journal/1", f->store);
	open_copy(f, MAPFS_STORE_DIR);
	assert_non_null(warning(f));
	assert_non_null(strstr(warning(f), "snapshot s cannot be shown: "
					   "segment 1 (journal/1) is missing"));
	assert_big(f, "one");
	close_copy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_in_place(
			test_anchor__nothing_disappears_after_a_clean_end),
		test_in_place(
			test_anchor__any_cut_of_a_closed_segment_is_missed),
		test_in_place(
			test_anchor__older_copy_of_the_whole_store_is_sound),
		test_in_place(test_anchor__one_of_two_slots_is_enough),
		test_in_place(test_anchor__torn_end_after_a_death_is_no_damage),
		test_in_place(test_anchor__older_anchor_is_never_wrong),
		test_in_place(test_anchor__death_or_failure_at_each_step),
		test_in_place(test_anchor__copy_of_a_store_in_use_is_known),
		test_in_place(
			test_anchor__copy_that_does_not_fit_together_is_refused),
		test_in_place(test_anchor__moved_store_is_no_copy),
		test_in_place(test_anchor__segment_of_a_snapshot_is_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

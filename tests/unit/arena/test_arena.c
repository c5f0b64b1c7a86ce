/* SPDX-License-Identifier: MIT */
/*
 * The arena: the states of its pages, when a freed page may be used again, and
 * how its file grows and shrinks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/arena/pins.h"
#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "tests/unit/support/arena_fixture.h"
#include "tests/unit/support/child.h"
#include "tests/unit/support/points.h"

static void test_arena__written_pages_are_read_back(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage p = take(f.a, 3, NOWHERE);
	char buf[8] = { 0 };

	assert_int_equal(arena_write(f.a, p * PAGE + 4094, "12345", 5), 0);
	assert_int_equal(arena_read(f.a, p * PAGE + 4093, buf, 7), 0);
	assert_memory_equal(buf, "\00012345\0", 7);
	assert_int_equal(arena_sync(f.a), 0);
	assert_int_equal(arena_read(f.a, 1ULL << 40, buf, 1), -EIO);
	close_arena(&f);
}

static void test_arena__first_page_costs_one_small_chunk(void **state)
{
	struct fixture f = open_arena();

	assert_int_equal(stat_of(&f).st_blocks, 0);
	(void)take(f.a, 1, NOWHERE);
	assert_int_equal(stat_of(&f).st_size, 16384);
	assert_int_equal(stats_of(f.a).reserved_pages, 4);
	assert_int_equal(stats_of(f.a).used_pages, 1);
	close_arena(&f);
}

static void test_arena__chunks_grow_with_use(void **state)
{
	struct fixture f = open_arena();
	uint64_t most = 0;
	unsigned int chunks = 0;

	for (uint64_t n = 0; n < 8000; n++) {
		struct arena_stats before = stats_of(f.a);
		struct arena_stats after;

		(void)take(f.a, 1, NOWHERE);
		after = stats_of(f.a);
		if (after.reserved_pages == before.reserved_pages)
			continue;
		chunks++;
		if (after.reserved_pages - before.reserved_pages > most)
			most = after.reserved_pages - before.reserved_pages;
		/* At most an eighth is unused, or the first chunk. */
		assert_true(after.reserved_pages <=
			    n + 1 + (n / 8 > 4 ? n / 8 : 4));
	}
	assert_true(most > 500);
	assert_true(chunks < 100);
	close_arena(&f);
}

static void test_arena__hint_keeps_a_file_in_one_piece(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage a = take(f.a, 2, NOWHERE);
	mapfs_apage hole;

	/* Within the chunk, then where the file must grow. */
	for (uint64_t n = 2; n < 100; n++)
		assert_int_equal(take(f.a, 1, a + n), a + n);
	/* A hint at a page that is taken is ignored. */
	hole = take(f.a, 1, a);
	assert_int_not_equal(hole, a);
	/* A hole is found again, with the hint and without. */
	arena_unalloc(f.a, a + 50, 3);
	assert_int_equal(take(f.a, 1, a + 51), a + 51);
	assert_int_equal(take(f.a, 1, NOWHERE), a + 50);
	assert_int_equal(take(f.a, 1, NOWHERE), a + 52);
	close_arena(&f);
}

static void test_arena__run_is_cut_where_a_taken_page_is(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage a = take(f.a, 200, NOWHERE);
	mapfs_apage first;
	uint64_t got;

	arena_unalloc(f.a, a + 10, 100);
	assert_int_equal(arena_alloc(f.a, 500, a + 60, &first, &got), 0);
	assert_int_equal(first, a + 60);
	assert_int_equal(got, 50);
	assert_int_equal(arena_alloc(f.a, 500, NOWHERE, &first, &got), 0);
	assert_int_equal(first, a + 10);
	assert_int_equal(got, 50);
	close_arena(&f);
}

/* [A1] */
static void
test_arena__freed_page_waits_for_a_sync_that_began_later(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage a = take(f.a, 4, NOWHERE);

	arena_free(f.a, a, 1);
	assert_int_equal(take(f.a, 1, a), a + 4);
	arena_seal_freed(f.a);
	/* Freed after the sync began: not part of it. */
	arena_free(f.a, a + 1, 1);
	assert_int_not_equal(take(f.a, 1, a), a);
	arena_release_sealed(f.a);
	assert_int_equal(take(f.a, 1, a), a);
	assert_int_not_equal(take(f.a, 1, a + 1), a + 1);
	assert_true(arena_check(f.a));
	sync_point(f.a);
	assert_int_equal(take(f.a, 1, a + 1), a + 1);
	close_arena(&f);
}

static void test_arena__failed_sync_keeps_sealed_pages_taken(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage a = take(f.a, 4, NOWHERE);

	arena_free(f.a, a, 2);
	arena_seal_freed(f.a);
	fault_arm_name("arena.sync", EIO);
	assert_int_equal(arena_sync(f.a), -EIO);
	fault_disarm();
	assert_int_equal(stats_of(f.a).used_pages, 4);
	arena_free(f.a, a + 2, 1);
	assert_true(arena_check(f.a));
	/* A later sync that succeeds covers them too. */
	sync_point(f.a);
	assert_int_equal(stats_of(f.a).used_pages, 1);
	close_arena(&f);
}

static void test_arena__long_free_runs_go_back_short_ones_stay(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage a = take(f.a, 400, NOWHERE);
	uint64_t reserved = stats_of(f.a).reserved_pages;
	blkcnt_t blocks = stat_of(&f).st_blocks;

	arena_free(f.a, a + 10, 15);
	sync_point(f.a);
	assert_int_equal(stats_of(f.a).reserved_pages, reserved);
	assert_int_equal(stat_of(&f).st_blocks, blocks);
	/* One more page makes it a run of sixteen. */
	arena_free(f.a, a + 25, 1);
	arena_free(f.a, a + 100, 200);
	sync_point(f.a);
	assert_int_equal(stats_of(f.a).reserved_pages, reserved - 216);
	assert_int_equal(stat_of(&f).st_blocks, blocks - 216 * 8);
	/* Space comes back before the page is handed out [D5]. */
	assert_int_equal(take(f.a, 1, a + 150), a + 150);
	assert_true(stats_of(f.a).reserved_pages > reserved - 216);
	close_arena(&f);
}

static void test_arena__pages_pinned_stay_until_unpinned(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage a = take(f.a, 4, NOWHERE);
	struct arena_pins *pins;
	bool is_pinned;
	mapfs_apage b;

	arena_free(f.a, a + 3, 1);
	assert_int_equal(arena_pin(f.a, &pins), 0);
	b = take(f.a, 1, NOWHERE);
	assert_int_equal(arena_find_pinned(f.a, a, 9, &is_pinned), 3);
	assert_true(is_pinned);
	assert_int_equal(arena_find_pinned(f.a, a, 2, &is_pinned), 2);
	assert_true(is_pinned);
	assert_int_equal(arena_find_pinned(f.a, a + 3, 9, &is_pinned), 9);
	assert_false(is_pinned);
	assert_int_equal(arena_find_pinned(f.a, b, 1, &is_pinned), 1);
	assert_false(is_pinned);
	assert_int_equal(stats_of(f.a).pinned_pages, 3);
	arena_free(f.a, a, 1);
	sync_point(f.a);
	assert_true(arena_check(f.a));
	assert_int_not_equal(take(f.a, 1, a), a);
	arena_unpin(f.a, pins, false);
	assert_int_equal(stats_of(f.a).pinned_pages, 0);
	assert_int_equal(arena_find_pinned(f.a, a, 3, &is_pinned), 3);
	assert_false(is_pinned);
	sync_point(f.a);
	assert_int_equal(take(f.a, 1, a), a);
	close_arena(&f);
}

static void test_arena__replay_marks_each_page_once(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage a = take(f.a, 100, NOWHERE);

	assert_int_equal(a, 0);
	reopen_arena(&f);
	assert_int_equal(arena_mark(f.a, 5, 10), 0);
	assert_int_equal(arena_mark(f.a, 14, 2), -EUCLEAN);
	assert_int_equal(arena_mark(f.a, 0, 6), -EUCLEAN);
	assert_int_equal(arena_mark(f.a, 20, 0), -EUCLEAN);
	assert_int_equal(stats_of(f.a).used_pages, 10);
	assert_int_equal(arena_mark(f.a, 15, 1), 0);
	/* A record that a later record replaced. */
	arena_unalloc(f.a, 7, 2);
	assert_int_equal(arena_mark(f.a, 8, 1), 0);
	assert_true(arena_check(f.a));
	assert_int_equal(take(f.a, 1, NOWHERE), 7);
	assert_int_equal(take(f.a, 1, NOWHERE), 0);
	close_arena(&f);
}

static void test_arena__marks_beyond_the_file_are_refused(void **state)
{
	struct fixture f = open_arena();

	(void)take(f.a, 100, NOWHERE);
	assert_int_equal(ftruncate(f.fd, 50 * PAGE + 1), 0);
	reopen_arena(&f);
	assert_int_equal(arena_mark(f.a, 49, 2), -EUCLEAN);
	assert_int_equal(arena_mark(f.a, 50, 1), -EUCLEAN);
	assert_int_equal(arena_mark(f.a, 1, UINT64_MAX), -EUCLEAN);
	assert_int_equal(arena_mark(f.a, UINT64_MAX, 1), -EUCLEAN);
	assert_int_equal(arena_mark(f.a, UINT64_MAX - 1, 4), -EUCLEAN);
	assert_int_equal(stats_of(f.a).used_pages, 0);
	assert_int_equal(arena_mark(f.a, 49, 1), 0);
	close_arena(&f);
}

static void test_arena__first_sync_trims_what_nobody_owns(void **state)
{
	struct fixture f = open_arena();

	(void)take(f.a, 1000, NOWHERE);
	reopen_arena(&f);
	assert_int_equal(arena_mark(f.a, 100, 10), 0);
	assert_int_equal(arena_mark(f.a, 120, 1), 0);
	assert_true(stat_of(&f).st_blocks >= 8000);
	sync_point(f.a);
	/* Eleven pages, and a hole of ten that is too short to punch. */
	assert_int_equal(stat_of(&f).st_blocks, 21 * 8);
	assert_int_equal(stat_of(&f).st_size, 121 * PAGE);
	assert_true(arena_check(f.a));
	close_arena(&f);
}

static void test_arena__out_of_space_asks_for_less_first(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage first;
	uint64_t got;

	/* Point 0 is the allocation, 1 the large reservation. */
	fault_arm(1, ENOSPC);
	(void)take(f.a, 2, NOWHERE);
	fault_disarm();
	assert_int_equal(stats_of(f.a).reserved_pages, 2);
	fault_arm_name("arena.reserve", ENOSPC);
	assert_int_equal(arena_alloc(f.a, 1, NOWHERE, &first, &got), -ENOSPC);
	/* With a hint, too, and for many. */
	assert_int_equal(arena_alloc(f.a, 9, 2, &first, &got), -ENOSPC);
	fault_disarm();
	assert_true(arena_check(f.a));
	assert_int_equal(stats_of(f.a).used_pages, 2);
	assert_int_equal(stats_of(f.a).reserved_pages, 2);
	(void)take(f.a, 1, NOWHERE);
	close_arena(&f);
}

/* Space that a file system reserved at the page before it failed. */
static void check_undone(struct fixture *f, mapfs_apage page)
{
	blkcnt_t before = stat_of(f).st_blocks;
	mapfs_apage first;
	uint64_t got;

	assert_int_equal(fallocate(f->fd, FALLOC_FL_KEEP_SIZE,
				   (off_t)page * PAGE, 2 * PAGE),
			 0);
	assert_true(stat_of(f).st_blocks > before);
	fault_arm_name("arena.reserve", ENOSPC);
	assert_int_equal(arena_alloc(f->a, 9, page, &first, &got), -ENOSPC);
	fault_disarm();
	assert_int_equal(stat_of(f).st_blocks, before);
}

/* Goal: a reservation that failed does not keep the last space of the disk. */
static void test_arena__failed_reservation_is_undone(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage a = take(f.a, 400, NOWHERE);

	arena_free(f.a, a + 100, 100);
	sync_point(f.a);
	/* In the hole that was punched, and behind the end. */
	check_undone(&f, 130);
	check_undone(&f, stats_of(f.a).reserved_pages + 100);
	close_arena(&f);
}

static void test_arena__full_disk_leaves_what_is_reserved(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage a = take(f.a, 4, NOWHERE);

	arena_unalloc(f.a, a + 1, 1);
	fault_arm_name("arena.reserve", ENOSPC);
	/* There is no space at the hint, but a free page elsewhere. */
	assert_int_equal(take(f.a, 1, a + 4), a + 1);
	fault_disarm();
	close_arena(&f);
}

static void test_arena__works_where_nothing_can_be_reserved(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage p;
	char c = 0;

	fault_arm_name("arena.reserve", EOPNOTSUPP);
	p = take(f.a, 5, NOWHERE);
	fault_disarm();
	assert_int_equal(stat_of(&f).st_blocks, 0);
	assert_int_equal(arena_read(f.a, (p + 4) * PAGE + 4095, &c, 1), 0);
	/* It is remembered: the file system is not asked again. */
	fault_arm_name("arena.reserve", EIO);
	p = take(f.a, 50, NOWHERE);
	fault_disarm();
	assert_int_equal(arena_write(f.a, p * PAGE, "x", 1), 0);
	assert_int_equal(arena_read(f.a, p * PAGE, &c, 1), 0);
	assert_int_equal(c, 'x');
	close_arena(&f);
}

static int use_once(void *arg)
{
	const struct fixture *f = arg;
	mapfs_apage first;
	uint64_t got;
	int err = arena_alloc(f->a, 700, NOWHERE, &first, &got);
	int sync_err;

	if (err)
		return err;
	err = arena_write(f->a, first * PAGE, "x", 1);
	arena_free(f->a, first, got);
	arena_seal_freed(f->a);
	sync_err = arena_sync(f->a);
	if (sync_err == 0)
		arena_release_sealed(f->a);
	return err ? err : sync_err;
}

static void open_for_use(void *arg)
{
	struct fixture *f = arg;

	*f = open_arena();
}

static void check_use(void *arg, int result)
{
	struct fixture *f = arg;

	(void)result;
	assert_true(arena_check(f->a));
	assert_int_equal(use_once(f), 0);
	assert_int_equal(stats_of(f->a).used_pages, 0);
	close_arena(f);
}

/*
 * Goal: whatever fails, the bitmaps and counters agree and no page is lost.
 * Method: fail each point of a round alone, then do the round again.
 */
static void test_arena__every_fault_leaves_the_books_right(void **state)
{
	const struct points_test t = {
		.prepare = open_for_use,
		.operation = use_once,
		.check = check_use,
	};
	struct fixture f = open_arena();

	fault_reset();
	assert_int_equal(use_once(&f), 0);
	assert_true(fault_passed() >= 6);
	fault_disarm();
	close_arena(&f);
	assert_true(points_fail(&t, EIO, &f) > 0);
}

#define MODEL_PAGES 3000

enum model_state {
	FREE,
	USED,
	PENDING,
	SEALED
};

struct model {
	enum model_state page[MODEL_PAGES];
	uint64_t used;
};

static void model_alloc(struct arena *a, struct model *m)
{
	uint64_t want = 1 + (uint64_t)rand() % 60;
	mapfs_apage first;
	uint64_t got;

	if (m->used > MODEL_PAGES / 3)
		return;
	assert_int_equal(arena_alloc(a, want, (uint64_t)rand() % MODEL_PAGES,
				     &first, &got),
			 0);
	assert_in_range(got, 1, want);
	assert_true(first + got <= MODEL_PAGES);
	for (uint64_t n = 0; n < got; n++) {
		assert_int_equal(m->page[first + n], FREE);
		m->page[first + n] = USED;
	}
	m->used += got;
}

static void model_drop(struct arena *a, struct model *m, bool unalloc)
{
	uint64_t first = (uint64_t)rand() % MODEL_PAGES;
	uint64_t end = first;

	while (end < MODEL_PAGES && m->page[end] == USED && end - first < 80)
		end++;
	if (end == first)
		return;
	for (uint64_t n = first; n < end; n++)
		m->page[n] = unalloc ? FREE : PENDING;
	if (unalloc) {
		arena_unalloc(a, first, end - first);
		m->used -= end - first;
	} else {
		arena_free(a, first, end - first);
	}
}

static void model_move(struct model *m, enum model_state from,
		       enum model_state to)
{
	for (uint64_t n = 0; n < MODEL_PAGES; n++) {
		if (m->page[n] != from)
			continue;
		m->page[n] = to;
		if (to == FREE)
			m->used--;
	}
}

/*
 * Goal: no page has two owners, none is reused too early, none is lost.
 * Method: random calls, compared with an array of the expected states.
 */
static void test_arena__random_calls_match_an_array(void **state)
{
	struct fixture f = open_arena();
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	srand(7);
	for (int i = 0; i < 6000; i++) {
		switch (rand() % 8) {
		case 0:
		case 1:
		case 2:
		case 3:
			model_alloc(f.a, m);
			break;
		case 4:
		case 5:
			model_drop(f.a, m, rand() % 2);
			break;
		case 6:
			arena_seal_freed(f.a);
			model_move(m, PENDING, SEALED);
			break;
		default:
			arena_release_sealed(f.a);
			model_move(m, SEALED, FREE);
			break;
		}
		assert_int_equal(stats_of(f.a).used_pages, m->used);
		if (i % 50 == 0)
			assert_true(arena_check(f.a));
	}
	free(m);
	close_arena(&f);
}

static void write_pinned(void)
{
	struct fixture f = open_arena();
	mapfs_apage p = take(f.a, 1, NOWHERE);
	struct arena_pins *pins;

	if (arena_pin(f.a, &pins) == 0)
		(void)!arena_write(f.a, p * PAGE, "x", 1);
}

static void write_beyond_own(void)
{
	struct fixture f = open_arena();
	mapfs_apage p = take(f.a, 1, NOWHERE);

	(void)!arena_write(f.a, p * PAGE + 4095, "xy", 2);
}

static void free_twice(void)
{
	struct fixture f = open_arena();
	mapfs_apage p = take(f.a, 1, NOWHERE);

	arena_free(f.a, p, 1);
	arena_free(f.a, p, 1);
}

/* [P1], and pages that are not handed out. */
static void test_arena__misuse_aborts(void **state)
{
#ifdef NDEBUG
	skip();
#endif
	assert_int_equal(child_signal(write_pinned), SIGABRT);
	assert_int_equal(child_signal(write_beyond_own), SIGABRT);
	assert_int_equal(child_signal(free_twice), SIGABRT);
}

#define FULL_BYTES "size=1m,mode=700"
#define NOT_ALLOWED 77

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = io_pwrite_all("t", fd, text, strlen(text), 0) == 0;
	close(fd);
	return done;
}

/* Over /tmp, in a mount namespace of its own. */
static bool mount_small_disk(void)
{
	char map[64];

	(void)snprintf(map, sizeof(map), "0 %u 1\n", (unsigned int)getuid());
	if (unshare(CLONE_NEWNS) < 0 &&
	    (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	     !write_text("/proc/self/uid_map", map)))
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", "/tmp", "tmpfs", 0, FULL_BYTES) == 0;
}

/* Fills a file system of a megabyte; the number of the step that failed. */
static int fill_small_disk(void *arg)
{
	char page[PAGE];
	uint64_t pages = 0;
	mapfs_apage first;
	uint64_t got;
	struct arena *a;
	int err;
	int fd;

	(void)arg;
	memset(page, 'x', sizeof(page));
	if (!mount_small_disk())
		return NOT_ALLOWED;
	fd = open("/tmp/arena", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || arena_open(&a, fd) != 0)
		return 1;
	while ((err = arena_alloc(a, 3, NOWHERE, &first, &got)) == 0) {
		/* [D5] What was handed out can be written. */
		for (uint64_t n = 0; n < got; n++)
			if (arena_write(a, (first + n) * PAGE, page,
					sizeof(page)) != 0)
				return 2;
		pages += got;
	}
	if (err != -ENOSPC || !arena_check(a))
		return 3;
	/* All but a sixteenth, which is for the journal. */
	if (pages < 230 || pages > 240)
		return 4;
	arena_free(a, 100, 20);
	arena_seal_freed(a);
	arena_release_sealed(a);
	if (arena_alloc(a, 20, 100, &first, &got) != 0 || !arena_check(a))
		return 5;
	arena_close(a);
	return 0;
}

static void test_arena__full_disk_is_enospc_and_leaves_a_rest(void **state)
{
	int end = child_run(fill_small_disk, NULL);

	if (end == NOT_ALLOWED)
		skip();
	assert_int_equal(end, 0);
}

/* Goal: the limit is exact, and neither pins nor frees get around it [D5]. */
static void test_arena__limit_is_enospc_until_pages_are_given_back(void **state)
{
	struct fixture f = open_arena();
	struct arena_pins *pins;
	mapfs_apage first;
	mapfs_apage more;
	uint64_t got;

	(void)state;
	arena_set_limit(f.a, 10);
	assert_int_equal(arena_check_room(f.a, 11), -ENOSPC);
	assert_int_equal(arena_check_room(f.a, 10), 0);
	first = take(f.a, 7, NOWHERE);
	assert_int_equal(arena_alloc(f.a, 7, first + 7, &more, &got), 0);
	assert_int_equal(got, 3);
	assert_int_equal(arena_alloc(f.a, 1, NOWHERE, &more, &got), -ENOSPC);
	assert_int_equal(arena_alloc(f.a, 1, 50, &more, &got), -ENOSPC);
	assert_int_equal(arena_check_room(f.a, 1), -ENOSPC);
	assert_int_equal(stats_of(f.a).reserved_pages, 10);
	assert_int_equal(arena_pin(f.a, &pins), 0);
	arena_free(f.a, first, 4);
	sync_point(f.a);
	assert_int_equal(arena_alloc(f.a, 1, NOWHERE, &more, &got), -ENOSPC);
	arena_unpin(f.a, pins, false);
	sync_point(f.a);
	assert_int_equal(arena_alloc(f.a, 9, NOWHERE, &more, &got), 0);
	assert_int_equal(got, 4);
	assert_int_equal(stats_of(f.a).used_pages, 10);
	close_arena(&f);
}

/* Pages are reserved at the hint, and in holes, as long as the limit allows. */
static void test_arena__what_is_reserved_stays_within_the_limit(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage first;
	mapfs_apage page;
	uint64_t got;

	(void)state;
	arena_set_limit(f.a, 32);
	first = take(f.a, 32, NOWHERE);
	for (uint64_t n = 0; n < 32; n += 2)
		arena_free(f.a, first + n, 1);
	sync_point(f.a);
	for (uint64_t n = 0; n < 16; n++)
		assert_int_equal(arena_alloc(f.a, 4, first + 32, &page, &got),
				 0);
	assert_int_equal(arena_alloc(f.a, 1, first + 32, &page, &got), -ENOSPC);
	assert_int_equal(stats_of(f.a).reserved_pages, 32);
	close_arena(&f);
}

/* A store that was opened with more room before. */
static void test_arena__limit_below_what_is_used_refuses_new_pages(void **state)
{
	struct fixture f = open_arena();
	mapfs_apage first = take(f.a, 20, NOWHERE);
	mapfs_apage page;
	uint64_t got;

	(void)state;
	reopen_arena(&f);
	arena_set_limit(f.a, 10);
	assert_int_equal(arena_mark(f.a, first, 20), 0);
	assert_int_equal(arena_alloc(f.a, 1, NOWHERE, &page, &got), -ENOSPC);
	assert_int_equal(arena_write(f.a, first * PAGE, "x", 1), 0);
	arena_free(f.a, first, 11);
	sync_point(f.a);
	assert_int_equal(arena_alloc(f.a, 2, NOWHERE, &page, &got), 0);
	assert_int_equal(got, 1);
	close_arena(&f);
}

static void *use_arena(void *arg)
{
	struct arena *a = arg;
	char buf[8];

	for (uint64_t i = 0; i < 3000; i++) {
		mapfs_apage p;
		uint64_t got;
		uint64_t tag = (uint64_t)(uintptr_t)&got ^ i;

		if (arena_alloc(a, 1 + i % 20, NOWHERE, &p, &got) != 0 ||
		    arena_write(a, p * PAGE, &tag, sizeof(tag)) != 0 ||
		    arena_read(a, p * PAGE, buf, sizeof(buf)) != 0 ||
		    memcmp(buf, &tag, sizeof(tag)) != 0)
			abort();
		arena_free(a, p, got);
		if (i % 16 == 0) {
			arena_seal_freed(a);
			arena_release_sealed(a);
		}
	}
	return NULL;
}

static void test_arena__threads_never_share_a_page(void **state)
{
	struct fixture f = open_arena();
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, use_arena, f.a),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	sync_point(f.a);
	assert_int_equal(stats_of(f.a).used_pages, 0);
	close_arena(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena__written_pages_are_read_back),
		cmocka_unit_test(test_arena__first_page_costs_one_small_chunk),
		cmocka_unit_test(test_arena__chunks_grow_with_use),
		cmocka_unit_test(test_arena__hint_keeps_a_file_in_one_piece),
		cmocka_unit_test(test_arena__run_is_cut_where_a_taken_page_is),
		cmocka_unit_test(
			test_arena__freed_page_waits_for_a_sync_that_began_later),
		cmocka_unit_test(
			test_arena__failed_sync_keeps_sealed_pages_taken),
		cmocka_unit_test(
			test_arena__long_free_runs_go_back_short_ones_stay),
		cmocka_unit_test(test_arena__pages_pinned_stay_until_unpinned),
		cmocka_unit_test(test_arena__replay_marks_each_page_once),
		cmocka_unit_test(test_arena__marks_beyond_the_file_are_refused),
		cmocka_unit_test(test_arena__first_sync_trims_what_nobody_owns),
		cmocka_unit_test(test_arena__out_of_space_asks_for_less_first),
		cmocka_unit_test(test_arena__failed_reservation_is_undone),
		cmocka_unit_test(test_arena__full_disk_leaves_what_is_reserved),
		cmocka_unit_test(
			test_arena__works_where_nothing_can_be_reserved),
		cmocka_unit_test(
			test_arena__every_fault_leaves_the_books_right),
		cmocka_unit_test(test_arena__random_calls_match_an_array),
		cmocka_unit_test(test_arena__misuse_aborts),
		cmocka_unit_test(
			test_arena__full_disk_is_enospc_and_leaves_a_rest),
		cmocka_unit_test(
			test_arena__limit_is_enospc_until_pages_are_given_back),
		cmocka_unit_test(
			test_arena__what_is_reserved_stays_within_the_limit),
		cmocka_unit_test(
			test_arena__limit_below_what_is_used_refuses_new_pages),
		cmocka_unit_test(test_arena__threads_never_share_a_page),
	};

	if (!getenv("CMOCKA_MESSAGE_OUTPUT"))
		cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

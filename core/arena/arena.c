/* SPDX-License-Identifier: MIT */
/*
 * Which pages of the arena are whose, and how its file grows and shrinks.
 *
 *            reserve chunk        alloc            free
 *     BARE ---------------> READY -----> TAKEN ----------> pending
 *      ^ ^                  |  ^           ^ \                | seal
 *      | '-- punch (long) --'  |           |  '- unalloc -.   v
 *      |                       '-----------+--------------'  sealed
 *   the file's end                         |                  |
 *   and its holes                mark (replay)    release --> READY
 *
 * Pages on their way out (pending, sealed) stay TAKEN, so nobody can be given
 * one before the sync point that makes their loss durable [A1].
 *
 * Two locks.  `layout` is held while space is reserved or punched, which asks
 * the file system and may take long; `lock` guards the bitmaps and is held
 * for moments.  An allocation that finds a READY page never meets `layout`.
 * A run that is about to be punched is made BARE first, so it cannot be
 * handed out under the punch, and cannot be reserved again before it is over.
 */
#include "arena_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "core/lib/mapping.h"

#define CHUNK_MIN_PAGES 4ULL	 /* 16 KiB */
#define CHUNK_MAX_PAGES 16384ULL /* 64 MiB */
#define CHUNK_SHARE 8		 /* of what is used already */
/* Shorter holes would cost the file system more than the space is worth. */
#define PUNCH_MIN_PAGES 16ULL
#define MAX_PAGES (1ULL << MAPFS_APAGE_BITS)

void arena_range_add(struct range *r, uint64_t begin, uint64_t end)
{
	if (begin < r->begin)
		r->begin = begin;
	if (end > r->end)
		r->end = end;
}

int arena_open(struct arena **out, int fd)
{
	struct arena *a;
	struct stat st;
	int err = mapping_guard_init();

	if (!err)
		err = fault_point("arena.open");
	if (err)
		return err;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EUCLEAN;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	err = mapping_create(&a->mapping, fd);
	if (err) {
		free(a);
		return err;
	}
	a->fd = fd;
	a->file_bytes = (uint64_t)st.st_size;
	a->trimmed = st.st_size == 0;
	a->pending = RANGE_EMPTY;
	a->sealed = RANGE_EMPTY;
	rmutex_init(&a->layout, RANK_ARENA);
	rmutex_init(&a->lock, RANK_LEAF);
	*out = a;
	return 0;
}

void arena_close(struct arena *a)
{
	if (!a)
		return;
	assert(!a->pins);
	arena_parents_fini(a);
	mapping_destroy(a->mapping);
	close(a->fd);
	arena_bits_fini(&a->bits);
	rmutex_fini(&a->lock);
	rmutex_fini(&a->layout);
	free(a);
}

int arena_extend_locked(struct arena *a, uint64_t end)
{
	int err;

	if (end <= a->end)
		return 0;
	err = arena_bits_grow(&a->bits, end);
	if (err)
		return err;
	a->end = end;
	return 0;
}

/* Nobody has them, but for snapshots that kept them when they were freed. */
static bool may_mark(const struct arena *a, uint64_t first, uint64_t count)
{
	return arena_bits_count(&a->bits, MAP_TAKEN, first, count) ==
	       arena_bits_count(&a->bits, MAP_PENDING, first, count) +
		       arena_bits_count(&a->bits, MAP_SEALED, first, count);
}

int arena_mark(struct arena *a, mapfs_apage first, uint64_t count)
{
	uint64_t in_file;
	uint64_t taken;
	uint64_t fresh;
	int err = 0;

	if (apage_arena(first) > 0)
		return arena_parent_check(a, first, count);
	rmutex_lock(&a->layout);
	in_file = a->file_bytes >> MAPFS_PAGE_SHIFT;
	rmutex_unlock(&a->layout);
	if (count == 0 || first >= in_file || count > in_file - first)
		return -EUCLEAN;
	rmutex_lock(&a->lock);
	err = arena_extend_locked(a, first + count);
	if (!err && !may_mark(a, first, count))
		err = -EUCLEAN;
	if (!err) {
		taken = arena_bits_set(&a->bits, MAP_TAKEN, first, count);
		fresh = arena_bits_set(&a->bits, MAP_RESERVED, first, count);
		(void)arena_bits_clear(&a->bits, MAP_PENDING, first, count);
		(void)arena_bits_clear(&a->bits, MAP_SEALED, first, count);
		a->used += taken;
		a->reserved += fresh;
		a->ready -= taken - fresh;
	}
	rmutex_unlock(&a->lock);
	return err;
}

/* Hands out the READY run at or after `from`; 0: there is none. */
static uint64_t take_from(struct arena *a, uint64_t from, uint64_t to,
			  uint64_t want, mapfs_apage *first)
{
	uint64_t n =
		arena_bits_find(&a->bits, WANT_READY, from, to, want, first);

	if (n == 0)
		return 0;
	(void)arena_bits_set(&a->bits, MAP_TAKEN, *first, n);
	a->used += n;
	a->ready -= n;
	return n;
}

/* The run that begins exactly at `page`; the wish of a file that grows. */
static uint64_t take_at(struct arena *a, uint64_t page, uint64_t want,
			mapfs_apage *first)
{
	uint64_t to = a->end;

	if (page >= a->end || !arena_bits_has(&a->bits, WANT_READY, page))
		return 0;
	if (want < to - page)
		to = page + want;
	return take_from(a, page, to, want, first);
}

static uint64_t take_lowest(struct arena *a, uint64_t want, mapfs_apage *first)
{
	uint64_t n;

	if (a->ready == 0)
		return 0;
	n = take_from(a, a->lowest, a->end, want, first);
	assert(n > 0);
	a->lowest = *first + n;
	return n;
}

/* May new space begin at the wish?  Then a file stays in one piece. */
static bool may_grow_at(const struct arena *a, mapfs_apage hint)
{
	return hint == a->end ||
	       (hint < a->end && arena_bits_has(&a->bits, WANT_BARE, hint));
}

static uint64_t take_ready(struct arena *a, uint64_t want, mapfs_apage hint,
			   mapfs_apage *first)
{
	uint64_t n = take_at(a, hint, want, first);

	if (n == 0 && !may_grow_at(a, hint))
		n = take_lowest(a, want, first);
	return n;
}

/* Gives bare pages of the range back after half a reservation; layout held. */
static void unreserve(struct arena *a, uint64_t start, uint64_t len)
{
	uint64_t to = start + len;
	uint64_t first;
	uint64_t n;

	/* Cutting the file at its own length drops space beyond its end. */
	if ((to << MAPFS_PAGE_SHIFT) > a->file_bytes &&
	    ftruncate(a->fd, (off_t)a->file_bytes) < 0)
		return;
	for (;;) {
		rmutex_lock(&a->lock);
		if (to > a->end)
			to = a->end;
		n = arena_bits_find(&a->bits, WANT_BARE, start, to, to, &first);
		rmutex_unlock(&a->lock);
		if (n == 0 || io_punch(a->fd, first << MAPFS_PAGE_SHIFT,
				       n << MAPFS_PAGE_SHIFT) != 0)
			return;
		start = first + n;
	}
}

/* Space for the pages on disk, and a file that reaches there; layout held. */
static int reserve(struct arena *a, uint64_t start, uint64_t len)
{
	uint64_t bytes = (start + len) << MAPFS_PAGE_SHIFT;
	int err = -EOPNOTSUPP;

	/*
	 * Pages never take the last space: the journal needs it for what gives
	 * space back, and for opening the store again.
	 */
	if (!a->cannot_reserve)
		err = io_check_headroom(a->fd, len << MAPFS_PAGE_SHIFT);
	if (!a->cannot_reserve && !err)
		err = io_reserve("arena.reserve", a->fd,
				 start << MAPFS_PAGE_SHIFT,
				 len << MAPFS_PAGE_SHIFT);
	if (err == -EOPNOTSUPP) {
		a->cannot_reserve = true;
		err = fault_point("arena.grow");
		if (!err && bytes > a->file_bytes &&
		    ftruncate(a->fd, (off_t)bytes) < 0)
			err = -errno;
	}
	if (err)
		unreserve(a, start, len);
	else if (bytes > a->file_bytes)
		a->file_bytes = bytes;
	return err;
}

/* Asks for less when there is little left: a full disk is used to the end. */
static int reserve_chunk(struct arena *a, uint64_t start, uint64_t want,
			 uint64_t used, uint64_t *len)
{
	uint64_t share = used / CHUNK_SHARE;
	uint64_t tries[3];
	int err = -ENOSPC;

	if (share < CHUNK_MIN_PAGES)
		share = CHUNK_MIN_PAGES;
	if (share < want)
		share = want;
	if (share > CHUNK_MAX_PAGES)
		share = CHUNK_MAX_PAGES;
	tries[0] = share;
	tries[1] = want < share ? want : share;
	tries[2] = 1;
	for (int i = 0; i < 3; i++) {
		if (i > 0 && tries[i] == tries[i - 1])
			continue;
		if (start >= MAX_PAGES || tries[i] > MAX_PAGES - start)
			continue;
		err = reserve(a, start, tries[i]);
		*len = tries[i];
		if (err != -ENOSPC && err != -EDQUOT)
			break;
	}
	return err;
}

/* Where new space goes: the wish, the lowest hole, the end; lock held. */
static uint64_t place_of_growth(const struct arena *a, mapfs_apage hint)
{
	uint64_t start;

	if (may_grow_at(a, hint))
		return hint;
	if (arena_bits_find(&a->bits, WANT_BARE, 0, a->end, 1, &start) == 0)
		start = a->end;
	return start;
}

/* Makes the reserved pages READY; lock held, maps large enough. */
static void make_ready(struct arena *a, uint64_t start, uint64_t len)
{
	uint64_t fresh = arena_bits_set(&a->bits, MAP_RESERVED, start, len);

	a->reserved += fresh;
	a->ready += fresh;
	if (start < a->lowest)
		a->lowest = start;
}

/* Allocates where it takes new space; layout held. */
static int alloc_growing(struct arena *a, uint64_t want, mapfs_apage hint,
			 mapfs_apage *first, uint64_t *got)
{
	uint64_t start;
	uint64_t used;
	uint64_t len = 0;
	int err;

	rmutex_lock(&a->lock);
	/* Somebody else may have grown it while we waited for layout. */
	*got = take_ready(a, want, hint, first);
	start = place_of_growth(a, hint);
	used = a->used;
	rmutex_unlock(&a->lock);
	if (*got > 0)
		return 0;
	err = reserve_chunk(a, start, want, used, &len);
	rmutex_lock(&a->lock);
	if (!err)
		err = arena_extend_locked(a, start + len);
	if (!err) {
		make_ready(a, start, len);
		*got = take_at(a, start, want, first);
		assert(*got > 0);
	} else {
		/* No room where it was wished for, but maybe elsewhere. */
		*got = take_lowest(a, want, first);
	}
	rmutex_unlock(&a->lock);
	return *got > 0 ? 0 : err;
}

int arena_alloc(struct arena *a, uint64_t want, mapfs_apage hint,
		mapfs_apage *first, uint64_t *got)
{
	mapfs_apage page = 0;
	uint64_t n;
	int err = fault_point("arena.alloc");

	assert(want > 0);
	if (err)
		return err;
	if (hint >= MAX_PAGES)
		hint = UINT64_MAX; /* behind a page of another arena */
	rmutex_lock(&a->lock);
	n = take_ready(a, want, hint, &page);
	rmutex_unlock(&a->lock);
	if (n == 0) {
		rmutex_lock(&a->layout);
		err = alloc_growing(a, want, hint, &page, &n);
		rmutex_unlock(&a->layout);
	}
	if (err)
		return err;
	*first = page;
	*got = n;
	return 0;
}

int arena_check_room(struct arena *a, uint64_t count)
{
	const long in_memory = sysconf(_SC_PHYS_PAGES);
	uint64_t ready;

	rmutex_lock(&a->lock);
	ready = a->ready;
	rmutex_unlock(&a->lock);
	if (count <= ready)
		return 0;
	count -= ready;
	if (count > MAX_PAGES)
		return -ENOSPC;
	/* A file in memory has no file system that could say. */
	if (in_memory > 0 && io_is_memory(a->fd) &&
	    count * MAPFS_PAGE_SIZE >
		    (uint64_t)in_memory * (uint64_t)sysconf(_SC_PAGESIZE))
		return -ENOSPC;
	return io_check_headroom(a->fd, count << MAPFS_PAGE_SHIFT);
}

static void assert_live(const struct arena *a, uint64_t first, uint64_t count)
{
	assert(count > 0);
	assert(first < a->end && count <= a->end - first);
	assert(arena_bits_count(&a->bits, MAP_TAKEN, first, count) == count);
	assert(arena_bits_count(&a->bits, MAP_PENDING, first, count) == 0);
	assert(arena_bits_count(&a->bits, MAP_SEALED, first, count) == 0);
}

void arena_free(struct arena *a, mapfs_apage first, uint64_t count)
{
	if (apage_arena(first) > 0)
		return; /* it stays its owner's */
	rmutex_lock(&a->lock);
	assert_live(a, first, count);
	(void)arena_bits_set(&a->bits, MAP_PENDING, first, count);
	arena_range_add(&a->pending, first, first + count);
	rmutex_unlock(&a->lock);
}

void arena_make_free_locked(struct arena *a, uint64_t first, uint64_t count)
{
	uint64_t n = arena_bits_clear(&a->bits, MAP_TAKEN, first, count);

	assert(n == count);
	a->used -= n;
	a->ready += n;
	if (first < a->lowest)
		a->lowest = first;
}

void arena_unalloc(struct arena *a, mapfs_apage first, uint64_t count)
{
	assert(apage_arena(first) == 0);
	rmutex_lock(&a->lock);
	assert_live(a, first, count);
	assert(arena_bits_count(&a->bits, MAP_PINNED, first, count) == 0);
	arena_make_free_locked(a, first, count);
	rmutex_unlock(&a->lock);
}

void arena_seal_freed(struct arena *a)
{
	struct range *p = &a->pending;
	uint64_t first;
	uint64_t n;

	rmutex_lock(&a->lock);
	while (p->begin < p->end) {
		n = arena_bits_find(&a->bits, WANT_PENDING, p->begin, p->end,
				    p->end, &first);
		if (n == 0)
			break;
		(void)arena_bits_set(&a->bits, MAP_SEALED, first, n);
		(void)arena_bits_clear(&a->bits, MAP_PENDING, first, n);
		arena_range_add(&a->sealed, first, first + n);
		p->begin = first + n;
	}
	*p = RANGE_EMPTY;
	rmutex_unlock(&a->lock);
}

/* Takes a long wanted run that meets *at .. to - 1 out of use; lock held. */
static uint64_t make_bare(struct arena *a, enum arena_want want, uint64_t *at,
			  uint64_t to, uint64_t *first)
{
	while (*at < to && *at < a->end) {
		uint64_t page;
		uint64_t cleared;
		uint64_t n;

		if (arena_bits_find(&a->bits, want, *at,
				    to < a->end ? to : a->end, 1, &page) == 0)
			return 0;
		*first = arena_bits_run_start(&a->bits, want, page + 1);
		n = arena_bits_find(&a->bits, want, *first, a->end, a->end,
				    first);
		*at = *first + n;
		if (n < PUNCH_MIN_PAGES)
			continue;
		cleared = arena_bits_clear(&a->bits, MAP_RESERVED, *first, n);
		a->reserved -= cleared;
		a->ready -= cleared;
		return n;
	}
	return 0;
}

/* Gives long runs that meet the range to the file system; layout held. */
static void punch_runs(struct arena *a, enum arena_want want, uint64_t begin,
		       uint64_t end)
{
	while (!a->cannot_punch) {
		uint64_t first = 0;
		uint64_t n;
		int err;

		rmutex_lock(&a->lock);
		n = make_bare(a, want, &begin, end, &first);
		rmutex_unlock(&a->lock);
		if (n == 0)
			return;
		/* When it fails, the run is bare all the same: no harm. */
		err = io_punch(a->fd, first << MAPFS_PAGE_SHIFT,
			       n << MAPFS_PAGE_SHIFT);
		if (err == -EOPNOTSUPP)
			a->cannot_punch = true;
	}
}

/*
 * Space that an earlier life of the store left behind: freed but not punched,
 * or reserved and never used.  Waits for the first sync point, because only
 * then nothing on disk can bring back a record that names it; layout held.
 */
static void trim_once(struct arena *a)
{
	uint64_t end_bytes;

	if (a->trimmed)
		return;
	a->trimmed = true;
	rmutex_lock(&a->lock);
	end_bytes = a->end << MAPFS_PAGE_SHIFT;
	rmutex_unlock(&a->lock);
	punch_runs(a, WANT_FREE, 0, end_bytes >> MAPFS_PAGE_SHIFT);
	if (a->file_bytes > end_bytes &&
	    ftruncate(a->fd, (off_t)end_bytes) == 0)
		a->file_bytes = end_bytes;
}

void arena_release_sealed(struct arena *a)
{
	struct range freed = RANGE_EMPTY;
	struct range left = RANGE_EMPTY;
	struct range *s = &a->sealed;
	uint64_t first;
	uint64_t n;

	rmutex_lock(&a->layout);
	rmutex_lock(&a->lock);
	while (s->begin < s->end) {
		n = arena_bits_find(&a->bits, WANT_FREED, s->begin, s->end,
				    s->end, &first);
		if (n == 0)
			break;
		(void)arena_bits_clear(&a->bits, MAP_SEALED, first, n);
		arena_make_free_locked(a, first, n);
		arena_range_add(&freed, first, first + n);
		s->begin = first + n;
	}
	/* Pinned ones stay behind; they can be anywhere. */
	if (a->pinned > 0)
		left = (struct range){ .begin = 0, .end = a->end };
	*s = left;
	rmutex_unlock(&a->lock);
	punch_runs(a, WANT_READY, freed.begin, freed.end);
	trim_once(a);
	rmutex_unlock(&a->layout);
}

int arena_read(struct arena *a, uint64_t off, void *buf, size_t len)
{
	if (off >> MAPFS_PAGE_SHIFT >= MAX_PAGES)
		return arena_parent_read(a, off, buf, len);
	return mapping_read(a->mapping, buf, len, off);
}

#ifndef NDEBUG
/* [P1], and that nobody writes what he was not given. */
static void assert_may_write(struct arena *a, uint64_t off, size_t len)
{
	uint64_t first = off >> MAPFS_PAGE_SHIFT;
	uint64_t count;

	if (len == 0)
		return;
	count = ((off + len - 1) >> MAPFS_PAGE_SHIFT) - first + 1;
	rmutex_lock(&a->lock);
	assert(first < a->end && count <= a->end - first);
	assert(arena_bits_count(&a->bits, MAP_TAKEN, first, count) == count);
	assert(arena_bits_count(&a->bits, MAP_PINNED, first, count) == 0);
	rmutex_unlock(&a->lock);
}
#endif

int arena_write(struct arena *a, uint64_t off, const void *buf, size_t len)
{
#ifndef NDEBUG
	assert_may_write(a, off, len);
#endif
	return io_pwrite_all("arena.write", a->fd, buf, len, off);
}

int arena_sync(struct arena *a)
{
	return io_fdatasync("arena.sync", a->fd);
}

void arena_stats(struct arena *a, struct arena_stats *out)
{
	rmutex_lock(&a->lock);
	out->used_pages = a->used;
	out->reserved_pages = a->reserved;
	out->pinned_pages = a->pinned;
	out->live_pages = a->used;
	if (a->end > 0)
		out->live_pages -=
			arena_bits_count(&a->bits, MAP_PENDING, 0, a->end) +
			arena_bits_count(&a->bits, MAP_SEALED, 0, a->end);
	rmutex_unlock(&a->lock);
}

uint64_t arena_waiting_pages(struct arena *a)
{
	const enum arena_want kinds[] = { WANT_PENDING, WANT_FREED };
	const struct range *ranges[] = { &a->pending, &a->sealed };
	uint64_t sum = 0;

	rmutex_lock(&a->lock);
	for (int k = 0; k < 2; k++) {
		uint64_t at = ranges[k]->begin;
		uint64_t end = ranges[k]->end;
		uint64_t first;
		uint64_t n;

		while (at < end) {
			n = arena_bits_find(&a->bits, kinds[k], at, end, end,
					    &first);
			if (n == 0)
				break;
			sum += n;
			if (kinds[k] == WANT_PENDING)
				sum -= arena_bits_count(&a->bits, MAP_PINNED,
							first, n);
			at = first + n;
		}
	}
	rmutex_unlock(&a->lock);
	return sum;
}

static bool page_is_sound(const struct arena *a, uint64_t page)
{
	bool is[MAPS];

	for (int m = 0; m < MAPS; m++)
		is[m] = arena_bits_count(&a->bits, (enum arena_map)m, page, 1) >
			0;
	if (!is[MAP_TAKEN])
		return !is[MAP_PINNED] && !is[MAP_PENDING] && !is[MAP_SEALED] &&
		       (!is[MAP_RESERVED] || page >= a->lowest);
	if (is[MAP_PENDING] &&
	    (page < a->pending.begin || page >= a->pending.end))
		return false;
	if (is[MAP_SEALED] && (page < a->sealed.begin || page >= a->sealed.end))
		return false;
	return is[MAP_RESERVED] && !(is[MAP_PENDING] && is[MAP_SEALED]);
}

bool arena_check(struct arena *a)
{
	bool sound = true;

	rmutex_lock(&a->lock);
	for (uint64_t page = 0; sound && page < a->end; page++)
		sound = page_is_sound(a, page);
	if (sound && a->end > 0)
		sound = a->used == arena_bits_count(&a->bits, MAP_TAKEN, 0,
						    a->end) &&
			a->pinned == arena_bits_count(&a->bits, MAP_PINNED, 0,
						      a->end) &&
			a->reserved == arena_bits_count(&a->bits, MAP_RESERVED,
							0, a->end) &&
			a->ready == a->reserved - a->used;
	rmutex_unlock(&a->lock);
	return sound;
}

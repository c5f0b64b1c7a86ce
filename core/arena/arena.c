/* SPDX-License-Identifier: MIT */
/*
 * The states of a page, and how the file of the arena grows and shrinks.
 *
 *            reserve chunk        alloc            free
 *     BARE ---------------> READY -----> TAKEN ----------> pending
 *      ^ ^                  |  ^           ^ \                | seal
 *      | '-- punch (long) --'  |           |  '- unalloc -.   v
 *      |                       '-----------+--------------'  sealed
 *   the file's end                         |                  |
 *   and its holes                mark (replay)    release --> READY
 *
 * Freed pages (pending, sealed) stay TAKEN, so that none of them is handed
 * out before the sync point that makes their loss durable [A1].
 *
 * Two locks.  `layout` is held while space is reserved or punched, which asks
 * the file system and may take long; `lock` guards the bitmaps and is held
 * for moments.  An allocation that finds a READY page never takes `layout`.
 * A run that is about to be punched is made BARE first, so it cannot be
 * handed out under the punch, and cannot be reserved again before it is over.
 */
#include "arena.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "space.h"

#define CHUNK_MIN_PAGES 4ULL	 /* 16 KiB */
#define CHUNK_MAX_PAGES 16384ULL /* 64 MiB */
#define CHUNK_SHARE 8		 /* a chunk is this part of the used pages */
/* Shorter holes would cost the file system more than the space is worth. */
#define PUNCH_MIN_PAGES 16ULL
#define MAX_PAGES (1ULL << MAPFS_APAGE_BITS)
/* 4 TiB, so that records cannot ask for more than 512 MiB of bitmaps. */
#define SHORT_FILE_PAGES (1ULL << 30)

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
	a->limit = UINT64_MAX;
	a->cut_page = UINT64_MAX;
	a->pending = PAGE_RANGE_EMPTY;
	a->sealed = PAGE_RANGE_EMPTY;
	a->unsummed = PAGE_RANGE_EMPTY;
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
	parents_fini(&a->parents);
	mapping_destroy(a->mapping);
	close(a->fd);
	bitmaps_fini(&a->bits);
	sums_fini(&a->sums);
	free(a->in_flight);
	rmutex_fini(&a->lock);
	rmutex_fini(&a->layout);
	free(a);
}

void arena_set_limit(struct arena *a, uint64_t pages)
{
	a->limit = pages;
}

void arena_accept_short_file(struct arena *a)
{
	/* The kernel shows zeros in its other part. */
	if (a->file_bytes % MAPFS_PAGE_SIZE)
		a->cut_page = a->file_bytes >> MAPFS_PAGE_SHIFT;
	if (a->file_bytes < SHORT_FILE_PAGES << MAPFS_PAGE_SHIFT)
		a->file_bytes = SHORT_FILE_PAGES << MAPFS_PAGE_SHIFT;
}

int arena_add_parent(struct arena *a, int fd)
{
	return parents_add(&a->parents, fd);
}

/* Are they free, or kept only because a snapshot pins them? */
static bool may_mark(const struct arena *a, uint64_t first, uint64_t count)
{
	return bitmaps_count(&a->bits, MAP_TAKEN, first, count) ==
	       bitmaps_count(&a->bits, MAP_PENDING, first, count) +
		       bitmaps_count(&a->bits, MAP_SEALED, first, count);
}

/* Pages that were free are new ones, which have no sum yet; lock held. */
static void forget_sums_of_free(struct arena *a, uint64_t first, uint64_t count)
{
	struct page_range in = { first, first + count };
	uint64_t run;
	uint64_t n;

	while ((n = bitmaps_find(&a->bits, WANT_FREE, in, count, &run)) > 0) {
		sums_forget(&a->sums, run, n);
		page_range_add(&a->unsummed, run, run + n);
		in.begin = run + n;
	}
}

/*
 * Which pages a parent kept for a snapshot is not known, but a parent names a
 * page a second time only after it was free, or before all sums.  Pages that
 * were free again before the snapshot may be behind the end of the file now;
 * reading one that is not there fails.
 */
static int mark_of_parent(struct arena *a, mapfs_apage first, uint64_t count)
{
	if (count == 0 || apage_arena(first) > a->parents.count)
		return -EUCLEAN;
	rmutex_lock(&a->lock);
	sums_forget(space_sums_of(a, first), apage_in_arena(first), count);
	rmutex_unlock(&a->lock);
	return 0;
}

int arena_mark(struct arena *a, mapfs_apage first, uint64_t count)
{
	uint64_t in_file;
	uint64_t taken;
	uint64_t fresh;
	int err = 0;

	if (apage_arena(first) > 0)
		return mark_of_parent(a, first, count);
	rmutex_lock(&a->layout);
	in_file = a->file_bytes >> MAPFS_PAGE_SHIFT;
	rmutex_unlock(&a->layout);
	if (count == 0 || first >= in_file || count > in_file - first)
		return -EUCLEAN;
	rmutex_lock(&a->lock);
	err = space_extend(a, first + count);
	if (!err && !may_mark(a, first, count))
		err = -EUCLEAN;
	if (!err) {
		forget_sums_of_free(a, first, count);
		taken = bitmaps_set(&a->bits, MAP_TAKEN, first, count);
		fresh = bitmaps_set(&a->bits, MAP_RESERVED, first, count);
		(void)bitmaps_clear(&a->bits, MAP_PENDING, first, count);
		(void)bitmaps_clear(&a->bits, MAP_SEALED, first, count);
		a->used += taken;
		a->reserved += fresh;
		a->ready -= taken - fresh;
	}
	rmutex_unlock(&a->lock);
	return err;
}

/* Hands out the first READY run of the range; 0: there is none. */
static uint64_t take_from(struct arena *a, struct page_range in, uint64_t want,
			  mapfs_apage *first)
{
	const uint64_t left = space_left(a);
	uint64_t n;

	if (left == 0)
		return 0;
	n = bitmaps_find(&a->bits, WANT_READY, in, want < left ? want : left,
			 first);
	if (n == 0)
		return 0;
	(void)bitmaps_set(&a->bits, MAP_TAKEN, *first, n);
	sums_forget(&a->sums, *first, n);
	a->used += n;
	a->ready -= n;
	return n;
}

/* The run that begins exactly at `page`, so that a file grows in one piece. */
static uint64_t take_at(struct arena *a, uint64_t page, uint64_t want,
			mapfs_apage *first)
{
	if (page >= a->end || !bitmaps_has(&a->bits, WANT_READY, page))
		return 0;
	return take_from(a, (struct page_range){ page, a->end }, want, first);
}

static uint64_t take_lowest(struct arena *a, uint64_t want, mapfs_apage *first)
{
	uint64_t n;

	if (a->ready == 0 || space_left(a) == 0)
		return 0;
	n = take_from(a, (struct page_range){ a->lowest, a->end }, want, first);
	assert(n > 0);
	a->lowest = *first + n;
	return n;
}

/* May new space begin at the hint?  Then a file stays in one piece. */
static bool may_grow_at(const struct arena *a, mapfs_apage hint)
{
	if (space_to_reserve(a) == 0)
		return false;
	return hint == a->end ||
	       (hint < a->end && bitmaps_has(&a->bits, WANT_BARE, hint));
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
	struct page_range in = { start, start + len };
	uint64_t first;
	uint64_t n;

	/* Cutting the file at its own length drops space beyond its end. */
	if ((in.end << MAPFS_PAGE_SHIFT) > a->file_bytes &&
	    ftruncate(a->fd, (off_t)a->file_bytes) < 0)
		return;
	for (;;) {
		rmutex_lock(&a->lock);
		if (in.end > a->end)
			in.end = a->end;
		n = bitmaps_find(&a->bits, WANT_BARE, in, UINT64_MAX, &first);
		rmutex_unlock(&a->lock);
		if (n == 0 || io_punch(a->fd, first << MAPFS_PAGE_SHIFT,
				       n << MAPFS_PAGE_SHIFT) != 0)
			return;
		in.begin = first + n;
	}
}

/* Reserves the pages on disk, and makes the file so long; layout held. */
static int reserve(struct arena *a, uint64_t start, uint64_t len)
{
	uint64_t bytes = (start + len) << MAPFS_PAGE_SHIFT;
	int err = -EOPNOTSUPP;

	/*
	 * Pages never take the last space [A2]: the journal needs it for the
	 * records that give space back, and to open the store again.
	 */
	if (!a->cannot_reserve)
		err = io_check_headroom(a->fd, len << MAPFS_PAGE_SHIFT,
					IO_PAGES);
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

/* How much to reserve for `want` pages; lock held. */
static uint64_t chunk_of(const struct arena *a, uint64_t want)
{
	const uint64_t most = space_to_reserve(a);
	uint64_t share = a->used / CHUNK_SHARE;

	if (share < CHUNK_MIN_PAGES)
		share = CHUNK_MIN_PAGES;
	if (share < want)
		share = want;
	if (share > CHUNK_MAX_PAGES)
		share = CHUNK_MAX_PAGES;
	return share < most ? share : most;
}

/* Asks for less when little is left, so that a full disk is used to the end. */
static int reserve_chunk(struct arena *a, uint64_t start, uint64_t want,
			 uint64_t share, uint64_t *len)
{
	uint64_t tries[3];
	int err = -ENOSPC;

	if (share == 0)
		return -ENOSPC; /* the limit is reached */
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

/* Where to reserve: at the hint, in the lowest hole, at the end; lock held. */
static uint64_t place_of_growth(const struct arena *a, mapfs_apage hint)
{
	uint64_t start;

	if (may_grow_at(a, hint))
		return hint;
	if (bitmaps_find(&a->bits, WANT_BARE, (struct page_range){ 0, a->end },
			 1, &start) == 0)
		start = a->end;
	return start;
}

/* Makes the reserved pages READY; lock held, maps large enough. */
static void make_ready(struct arena *a, uint64_t start, uint64_t len)
{
	uint64_t fresh = bitmaps_set(&a->bits, MAP_RESERVED, start, len);

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
	uint64_t chunk;
	uint64_t len = 0;
	int err;

	rmutex_lock(&a->lock);
	/* Another thread may have reserved space while this one waited. */
	*got = take_ready(a, want, hint, first);
	start = place_of_growth(a, hint);
	chunk = chunk_of(a, want);
	rmutex_unlock(&a->lock);
	if (*got > 0)
		return 0;
	err = reserve_chunk(a, start, want, chunk, &len);
	rmutex_lock(&a->lock);
	if (!err)
		err = space_extend(a, start + len);
	if (!err) {
		make_ready(a, start, len);
		*got = take_at(a, start, want, first);
		/* Meanwhile others may have taken what the limit leaves. */
		assert(*got > 0 || space_left(a) == 0);
		err = *got > 0 ? 0 : -ENOSPC;
	} else {
		/* There is no space at the hint, but maybe elsewhere. */
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
	uint64_t left;

	rmutex_lock(&a->lock);
	ready = a->ready;
	left = space_left(a);
	rmutex_unlock(&a->lock);
	if (count > left)
		return -ENOSPC;
	if (count <= ready)
		return 0;
	count -= ready;
	if (count > MAX_PAGES)
		return -ENOSPC;
	/* A file in memory is on no file system that could be asked. */
	if (in_memory > 0 && io_is_memory(a->fd) &&
	    count * MAPFS_PAGE_SIZE >
		    (uint64_t)in_memory * (uint64_t)sysconf(_SC_PAGESIZE))
		return -ENOSPC;
	return io_check_headroom(a->fd, count << MAPFS_PAGE_SHIFT, IO_PAGES);
}

static void assert_live(const struct arena *a, uint64_t first, uint64_t count)
{
	assert(count > 0);
	assert(first < a->end && count <= a->end - first);
	assert(bitmaps_count(&a->bits, MAP_TAKEN, first, count) == count);
	assert(bitmaps_count(&a->bits, MAP_PENDING, first, count) == 0);
	assert(bitmaps_count(&a->bits, MAP_SEALED, first, count) == 0);
}

void arena_free(struct arena *a, mapfs_apage first, uint64_t count)
{
	if (apage_arena(first) > 0)
		return; /* a page of a parent is not ours to free */
	rmutex_lock(&a->lock);
	assert_live(a, first, count);
	(void)bitmaps_set(&a->bits, MAP_PENDING, first, count);
	page_range_add(&a->pending, first, first + count);
	rmutex_unlock(&a->lock);
}

void arena_unalloc(struct arena *a, mapfs_apage first, uint64_t count)
{
	assert(apage_arena(first) == 0);
	rmutex_lock(&a->lock);
	assert_live(a, first, count);
	assert(bitmaps_count(&a->bits, MAP_PINNED, first, count) == 0);
	/* What was written to them will not be recorded. */
	sums_forget(&a->sums, first, count);
	space_make_free(a, first, count);
	rmutex_unlock(&a->lock);
}

void arena_seal_freed(struct arena *a)
{
	struct page_range *p = &a->pending;
	uint64_t first;
	uint64_t n;

	rmutex_lock(&a->lock);
	while ((n = bitmaps_find(&a->bits, WANT_PENDING, *p, UINT64_MAX,
				 &first)) > 0) {
		(void)bitmaps_set(&a->bits, MAP_SEALED, first, n);
		(void)bitmaps_clear(&a->bits, MAP_PENDING, first, n);
		page_range_add(&a->sealed, first, first + n);
		p->begin = first + n;
	}
	*p = PAGE_RANGE_EMPTY;
	rmutex_unlock(&a->lock);
}

/*
 * Makes the next long wanted run that overlaps `in` BARE, and leaves in `in`
 * the rest behind the run; 0: there is none; lock held.
 */
static uint64_t make_bare(struct arena *a, enum arena_want want,
			  struct page_range *in, uint64_t *first)
{
	uint64_t page;
	uint64_t cleared;
	uint64_t n;

	if (in->end > a->end)
		in->end = a->end;
	while (bitmaps_find(&a->bits, want, *in, 1, &page) > 0) {
		*first = bitmaps_run_start(&a->bits, want, page + 1);
		n = bitmaps_find(&a->bits, want,
				 (struct page_range){ *first, a->end },
				 UINT64_MAX, first);
		in->begin = *first + n;
		if (n < PUNCH_MIN_PAGES)
			continue;
		cleared = bitmaps_clear(&a->bits, MAP_RESERVED, *first, n);
		a->reserved -= cleared;
		a->ready -= cleared;
		return n;
	}
	return 0;
}

/* Gives long runs that overlap the range back to the disk; layout held. */
static void punch_runs(struct arena *a, enum arena_want want,
		       struct page_range in)
{
	while (!a->cannot_punch) {
		uint64_t first = 0;
		uint64_t n;
		int err;

		rmutex_lock(&a->lock);
		n = make_bare(a, want, &in, &first);
		rmutex_unlock(&a->lock);
		if (n == 0)
			return;
		/* If it fails, the run is BARE nevertheless: no harm. */
		err = io_punch(a->fd, first << MAPFS_PAGE_SHIFT,
			       n << MAPFS_PAGE_SHIFT);
		if (err == -EOPNOTSUPP)
			a->cannot_punch = true;
	}
}

/*
 * Gives back the space that the last mount of the store left: freed but not
 * punched, or reserved and never used.  This must wait for the first sync
 * point, after which no power cut can bring back a record that names such a
 * page; layout held.
 */
static void trim_once(struct arena *a)
{
	struct page_range all = { .begin = 0 };
	uint64_t end_bytes;

	if (a->trimmed)
		return;
	a->trimmed = true;
	rmutex_lock(&a->lock);
	all.end = a->end;
	rmutex_unlock(&a->lock);
	end_bytes = all.end << MAPFS_PAGE_SHIFT;
	punch_runs(a, WANT_FREE, all);
	if (a->file_bytes > end_bytes &&
	    ftruncate(a->fd, (off_t)end_bytes) == 0)
		a->file_bytes = end_bytes;
}

void arena_release_sealed(struct arena *a)
{
	struct page_range freed = PAGE_RANGE_EMPTY;
	struct page_range left = PAGE_RANGE_EMPTY;
	struct page_range *s = &a->sealed;
	uint64_t first;
	uint64_t n;

	rmutex_lock(&a->layout);
	rmutex_lock(&a->lock);
	while ((n = bitmaps_find(&a->bits, WANT_FREED, *s, UINT64_MAX,
				 &first)) > 0) {
		(void)bitmaps_clear(&a->bits, MAP_SEALED, first, n);
		space_make_free(a, first, n);
		page_range_add(&freed, first, first + n);
		s->begin = first + n;
	}
	/* Pinned pages stay SEALED; they can be anywhere. */
	if (a->pinned > 0)
		left = (struct page_range){ .begin = 0, .end = a->end };
	*s = left;
	rmutex_unlock(&a->lock);
	punch_runs(a, WANT_READY, freed);
	trim_once(a);
	rmutex_unlock(&a->layout);
}

void arena_give_back(struct arena *a)
{
	struct page_range all = { .begin = 0 };

	rmutex_lock(&a->layout);
	rmutex_lock(&a->lock);
	all.end = a->end;
	rmutex_unlock(&a->lock);
	punch_runs(a, WANT_READY, all);
	rmutex_unlock(&a->layout);
}

void arena_free_replayed(struct arena *a, mapfs_apage first, uint64_t count)
{
	struct page_range in = { first, first + count };

	if (apage_arena(first) > 0)
		return; /* a page of a parent is not ours to free */
	rmutex_lock(&a->lock);
	(void)bitmaps_set(&a->bits, MAP_SEALED, first, count);
	page_range_add(&a->sealed, in.begin, in.end);
	space_free_unpinned(a, in);
	rmutex_unlock(&a->lock);
}

uint64_t arena_find_pinned(struct arena *a, mapfs_apage first, uint64_t most,
			   bool *is_pinned)
{
	uint64_t at = first;
	uint64_t n = 0;

	*is_pinned = apage_arena(first) > 0;
	if (*is_pinned)
		return most;
	rmutex_lock(&a->lock);
	if (a->pinned > 0 && first < a->end) {
		const uint64_t left = a->end - first;
		const struct page_range in = {
			.begin = first,
			.end = most < left ? first + most : a->end,
		};

		n = bitmaps_find(&a->bits, WANT_PINNED, in, most, &at);
	}
	rmutex_unlock(&a->lock);
	*is_pinned = n > 0 && at == first;
	if (n > 0)
		return *is_pinned ? n : at - first;
	return most;
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
			bitmaps_count(&a->bits, MAP_PENDING, 0, a->end) +
			bitmaps_count(&a->bits, MAP_SEALED, 0, a->end);
	rmutex_unlock(&a->lock);
}

/* The wanted pages of the range that no snapshot pins; lock held. */
static uint64_t count_unpinned(const struct arena *a, enum arena_want want,
			       struct page_range in)
{
	uint64_t sum = 0;
	uint64_t first;
	uint64_t n;

	while ((n = bitmaps_find(&a->bits, want, in, UINT64_MAX, &first)) > 0) {
		sum += n - bitmaps_count(&a->bits, MAP_PINNED, first, n);
		in.begin = first + n;
	}
	return sum;
}

uint64_t arena_waiting_pages(struct arena *a)
{
	uint64_t sum;

	rmutex_lock(&a->lock);
	sum = count_unpinned(a, WANT_PENDING, a->pending) +
	      count_unpinned(a, WANT_FREED, a->sealed);
	rmutex_unlock(&a->lock);
	return sum;
}

bool arena_check(struct arena *a)
{
	bool sound;

	rmutex_lock(&a->lock);
	sound = space_check(a);
	rmutex_unlock(&a->lock);
	return sound;
}

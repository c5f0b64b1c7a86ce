/* SPDX-License-Identifier: MIT */
#include "page_sums.h"

#include <errno.h>
#include <stdlib.h>

#include "space.h"

#define SETTLE_PAGES 64U  /* that are read at once */
#define LOOK_PAGES 65536U /* that are looked at under the lock */

void arena_use_sums(struct arena *a)
{
	a->has_sums = true;
}

/* The sums of own pages that are in use; lock held. */
static void set_own_sums(struct arena *a, uint64_t first, const le64 *sums,
			 uint64_t count)
{
	for (uint64_t n = 0; n < count; n++)
		if (bitmaps_has(&a->bits, WANT_TAKEN, first + n))
			sums_set(&a->sums, first + n, le64_get(sums[n]), true);
}

int arena_set_sums(struct arena *a, mapfs_apage first, const le64 *sums,
		   uint64_t count)
{
	const uint64_t page = apage_in_arena(first);
	int err = 0;

	if (!a->has_sums)
		return 0;
	if (apage_arena(first) > a->parents.count)
		return -EUCLEAN;
	/*
	 * A parent may have given back pages that no snapshot has; the history
	 * of its snapshots keeps their sums.
	 */
	if (apage_arena(first) > 0)
		count = parents_within(&a->parents, first, count);
	rmutex_lock(&a->lock);
	/* Own pages behind the end are free, and free ones have no sum. */
	if (apage_arena(first) == 0 && page >= a->end)
		count = 0;
	else if (apage_arena(first) == 0 && count > a->end - page)
		count = a->end - page;
	if (count > 0)
		err = sums_reserve(space_sums_of(a, first), page, count);
	if (!err && apage_arena(first) == 0)
		set_own_sums(a, page, sums, count);
	for (uint64_t n = 0; !err && apage_arena(first) > 0 && n < count; n++)
		sums_set(space_sums_of(a, first), page + n, le64_get(sums[n]),
			 true);
	rmutex_unlock(&a->lock);
	return err;
}

/* One byte for each region that the file has; lock held. */
static int make_regions(struct arena *a, uint64_t pages)
{
	const size_t count = pages / REGION_PAGES + 1;
	uint8_t *p;

	if (count <= a->regions)
		return 0;
	p = realloc(a->in_flight, count);
	if (!p)
		return -ENOMEM;
	while (a->regions < count)
		p[a->regions++] = 0;
	a->in_flight = p;
	return 0;
}

int arena_set_in_flight(struct arena *a, mapfs_apage first, uint64_t count,
			bool is)
{
	uint64_t pages;
	int err;

	rmutex_lock(&a->layout);
	pages = a->file_bytes >> MAPFS_PAGE_SHIFT;
	rmutex_unlock(&a->layout);
	rmutex_lock(&a->lock);
	err = make_regions(a, pages);
	/* What the file has lost since cannot be in flight. */
	for (uint64_t n = first / REGION_PAGES;
	     !err && n < a->regions && n * REGION_PAGES < first + count; n++)
		a->in_flight[n] = is;
	rmutex_unlock(&a->lock);
	return err;
}

bool arena_next_in_flight(const struct arena *a, uint64_t from,
			  uint64_t *region)
{
	while (from < a->regions && !a->in_flight[from])
		from++;
	*region = from;
	return from < a->regions;
}

uint64_t arena_forget_in_flight(struct arena *a)
{
	uint64_t forgotten = 0;
	uint64_t region;

	rmutex_lock(&a->lock);
	for (uint64_t n = 0; arena_next_in_flight(a, n, &region);
	     n = region + 1) {
		const uint64_t begin = region * REGION_PAGES;

		for (uint64_t page = begin;
		     page < begin + REGION_PAGES && page < a->end; page++) {
			if (sums_get(&a->sums, page) == 0 ||
			    bitmaps_has(&a->bits, WANT_PINNED, page))
				continue;
			/* Or a snapshot would keep the sum of older bytes. */
			sums_revoke(&a->sums, page);
			page_range_add(&a->unsummed, page, page + 1);
			forgotten++;
		}
	}
	rmutex_unlock(&a->lock);
	return forgotten;
}

void arena_set_named(struct arena *a, mapfs_apage first, uint64_t count)
{
	if (!a->has_sums || apage_arena(first) > 0)
		return;
	rmutex_lock(&a->lock);
	sums_set_unrecorded(&a->sums, first, count);
	rmutex_unlock(&a->lock);
}

uint64_t arena_unrecorded_pages(struct arena *a)
{
	uint64_t n;

	rmutex_lock(&a->lock);
	n = a->sums.unrecorded;
	rmutex_unlock(&a->lock);
	return n;
}

bool arena_has_unrecorded(struct arena *a)
{
	return arena_unrecorded_pages(a) > 0;
}

uint64_t arena_take_unrecorded(struct arena *a, uint64_t from, uint64_t *first,
			       uint64_t *sum, uint64_t most)
{
	uint64_t count;

	rmutex_lock(&a->lock);
	count = sums_take_unrecorded(&a->sums, from, most, first);
	for (uint64_t n = 0; n < count; n++)
		sum[n] = sums_get(&a->sums, *first + n);
	rmutex_unlock(&a->lock);
	return count;
}

void arena_put_unrecorded(struct arena *a, uint64_t first, uint64_t count)
{
	rmutex_lock(&a->lock);
	sums_set_unrecorded(&a->sums, first, count);
	for (uint64_t page = first; page < first + count && page < a->end;
	     page++) {
		if (sums_get(&a->sums, page) != 0 ||
		    !bitmaps_has(&a->bits, WANT_TAKEN, page))
			continue;
		sums_revoke(&a->sums, page);
		page_range_add(&a->unsummed, page, page + 1);
	}
	rmutex_unlock(&a->lock);
}

uint64_t arena_next_sums(struct arena *a, uint64_t from, uint64_t *first,
			 uint64_t *sum, uint64_t most)
{
	uint64_t count = 0;
	uint64_t n = 0;

	rmutex_lock(&a->lock);
	while (n == 0 && (count = sums_next(&a->sums, from, most, first)) > 0) {
		/* Cut to pages in use; a free one may have an old sum. */
		while (n < count && *first + n < a->end &&
		       bitmaps_has(&a->bits, WANT_TAKEN, *first + n)) {
			sum[n] = sums_get(&a->sums, *first + n);
			n++;
		}
		from = *first + 1;
	}
	rmutex_unlock(&a->lock);
	return n;
}

void arena_get_sums(struct arena *a, mapfs_apage first, uint64_t *sum,
		    uint64_t count)
{
	rmutex_lock(&a->lock);
	for (uint64_t n = 0; n < count; n++)
		sum[n] = sums_get(space_sums_of(a, first),
				  apage_in_arena(first) + n);
	rmutex_unlock(&a->lock);
}

/*
 * The next pages without a sum, which are then being settled.  Looks at some
 * pages only, because others wait for the lock; false: none is left; lock
 * held.
 */
static bool begin_settling(struct arena *a, uint64_t *first,
			   unsigned int *count)
{
	struct page_range *in = &a->unsummed;
	struct page_range some;
	uint64_t run;
	uint64_t n;

	*count = 0;
	if (in->end > a->end)
		in->end = a->end;
	if (in->begin >= in->end) {
		*in = PAGE_RANGE_EMPTY;
		return false;
	}
	some = *in;
	if (some.end - some.begin > LOOK_PAGES)
		some.end = some.begin + LOOK_PAGES;
	while (*count == 0 && (n = bitmaps_find(&a->bits, WANT_TAKEN, some,
						UINT64_MAX, &run)) > 0) {
		*first = sums_next_without(&a->sums, run, run + n);
		while (*first + *count < run + n && *count < SETTLE_PAGES &&
		       sums_get(&a->sums, *first + *count) == 0)
			(*count)++;
		some.begin = *first + *count;
	}
	in->begin = *count ? some.begin : some.end;
	if (*count && sums_reserve(&a->sums, *first, *count) == 0)
		sums_settle_begin(&a->sums, *first, *count);
	else
		*count = 0;
	return true;
}

/* Reads the pages and sums them; one that cannot be read gets no sum. */
static void settle_run(struct arena *a, uint64_t first, unsigned int count,
		       uint8_t *bytes)
{
	uint64_t sum[SETTLE_PAGES] = { 0 };

	for (unsigned int n = 0; n < count; n++)
		if (mapping_read(a->mapping, bytes, MAPFS_PAGE_SIZE,
				 (first + n) << MAPFS_PAGE_SHIFT) == 0)
			sum[n] = page_sum(bytes, first + n);
	rmutex_lock(&a->lock);
	sums_settle_end(&a->sums, sum);
	rmutex_unlock(&a->lock);
}

bool arena_settle(struct arena *a, uint64_t most)
{
	uint8_t bytes[MAPFS_PAGE_SIZE];
	uint64_t done = 0;
	uint64_t first = 0;

	while (a->has_sums && done < most) {
		unsigned int count;
		bool more;

		rmutex_lock(&a->lock);
		more = begin_settling(a, &first, &count);
		rmutex_unlock(&a->lock);
		if (!more)
			return false;
		if (count > 0)
			settle_run(a, first, count, bytes);
		done += count;
	}
	return a->has_sums;
}

static bool have_sums(struct arena *a, struct page_range in, bool recorded)
{
	bool have = true;
	uint64_t run;
	uint64_t n;

	rmutex_lock(&a->lock);
	if (in.end > a->end)
		in.end = a->end;
	while (have && (n = bitmaps_find(&a->bits, WANT_TAKEN, in, UINT64_MAX,
					 &run)) > 0) {
		have = sums_next_without(&a->sums, run, run + n) == run + n &&
		       !(recorded && sums_has_unrecorded(&a->sums, run, n));
		in.begin = run + n;
	}
	rmutex_unlock(&a->lock);
	return have;
}

bool arena_has_sums(struct arena *a, uint64_t first, uint64_t count)
{
	return have_sums(a, (struct page_range){ first, first + count }, false);
}

bool arena_is_settled(struct arena *a, uint64_t first, uint64_t count)
{
	return have_sums(a, (struct page_range){ first, first + count }, true);
}

void arena_verify_again(struct arena *a)
{
	rmutex_lock(&a->lock);
	a->rounds++;
	rmutex_unlock(&a->lock);
}

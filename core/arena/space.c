/* SPDX-License-Identifier: MIT */
/*
 * The bitmaps of an arena and the counters that go with them change together,
 * here and under one lock.
 */
#include "space.h"

#include <assert.h>

uint64_t space_left(const struct arena *a)
{
	return a->used < a->limit ? a->limit - a->used : 0;
}

/* So that what is reserved does not exceed the limit by much, either. */
uint64_t space_to_reserve(const struct arena *a)
{
	return a->reserved < a->limit ? a->limit - a->reserved : 0;
}

int space_extend(struct arena *a, uint64_t end)
{
	int err;

	if (end <= a->end)
		return 0;
	err = bitmaps_grow(&a->bits, end);
	if (err)
		return err;
	a->end = end;
	return 0;
}

void space_make_free(struct arena *a, uint64_t first, uint64_t count)
{
	uint64_t n = bitmaps_clear(&a->bits, MAP_TAKEN, first, count);

	assert(n == count);
	a->used -= n;
	a->ready += n;
	if (first < a->lowest)
		a->lowest = first;
}

void space_free_unpinned(struct arena *a, struct page_range in)
{
	uint64_t first;
	uint64_t n;

	while ((n = bitmaps_find(&a->bits, WANT_FREED, in, UINT64_MAX,
				 &first)) > 0) {
		(void)bitmaps_clear(&a->bits, MAP_SEALED, first, n);
		space_make_free(a, first, n);
		in.begin = first + n;
	}
}

struct sums *space_sums_of(struct arena *a, mapfs_apage page)
{
	const unsigned int n = apage_arena(page);

	return n > 0 ? parents_sums(&a->parents, n) : &a->sums;
}

static bool page_is_sound(const struct arena *a, uint64_t page)
{
	bool is[MAPS];

	for (int m = 0; m < MAPS; m++)
		is[m] = bitmaps_count(&a->bits, (enum arena_map)m, page, 1) > 0;
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

bool space_check(const struct arena *a)
{
	const struct bitmaps *b = &a->bits;

	for (uint64_t page = 0; page < a->end; page++)
		if (!page_is_sound(a, page))
			return false;
	if (a->end == 0)
		return true;
	return a->used == bitmaps_count(b, MAP_TAKEN, 0, a->end) &&
	       a->pinned == bitmaps_count(b, MAP_PINNED, 0, a->end) &&
	       a->reserved == bitmaps_count(b, MAP_RESERVED, 0, a->end) &&
	       a->ready == a->reserved - a->used;
}

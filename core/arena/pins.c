/* SPDX-License-Identifier: MIT */
/*
 * The pages that snapshots hold.  Each set is a bitmap of its own, so that
 * taking one costs a copy of 32 KiB per GiB; the arena's own map PINNED is the
 * union of all sets.
 *
 *   live:    TAKEN                    the delta names it
 *   kept:    TAKEN SEALED PINNED      only snapshots name it
 */
#include "pins.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/lib/fault.h"
#include "space.h"
#include <utlist.h>

#define WORD_BITS 64U

struct arena_pins {
	struct arena_pins *prev;
	struct arena_pins *next;
	size_t words;
	uint64_t count;
	uint64_t *word;
};

static struct arena_pins *pins_new(size_t words)
{
	struct arena_pins *p;

	if (fault_point("arena.pin") != 0)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->word = calloc(words ? words : 1, sizeof(*p->word));
	if (!p->word) {
		free(p);
		return NULL;
	}
	p->words = words;
	return p;
}

static void pins_free(struct arena_pins *p)
{
	free(p->word);
	free(p);
}

int arena_pin(struct arena *a, struct arena_pins **out)
{
	struct arena_pins *p;

	rmutex_lock(&a->lock);
	p = pins_new(a->bits.words);
	if (!p) {
		rmutex_unlock(&a->lock);
		return -ENOMEM;
	}
	for (size_t i = 0; i < p->words; i++) {
		uint64_t live = a->bits.map[MAP_TAKEN][i] &
				~(a->bits.map[MAP_PENDING][i] |
				  a->bits.map[MAP_SEALED][i]);
		uint64_t fresh = live & ~a->bits.map[MAP_PINNED][i];

		p->word[i] = live;
		p->count += (unsigned int)__builtin_popcountll(live);
		a->bits.map[MAP_PINNED][i] |= live;
		a->pinned += (unsigned int)__builtin_popcountll(fresh);
	}
	DL_APPEND(a->pins, p);
	rmutex_unlock(&a->lock);
	*out = p;
	return 0;
}

int arena_pin_none(struct arena *a, struct arena_pins **out)
{
	struct arena_pins *p = pins_new(0);

	if (!p)
		return -ENOMEM;
	rmutex_lock(&a->lock);
	DL_APPEND(a->pins, p);
	rmutex_unlock(&a->lock);
	*out = p;
	return 0;
}

/* Makes the set as long as the arena's maps; lock held. */
static int pins_grow(const struct arena *a, struct arena_pins *p)
{
	uint64_t *word;

	if (p->words >= a->bits.words)
		return 0;
	word = realloc(p->word, a->bits.words * sizeof(*word));
	if (!word)
		return -ENOMEM;
	for (size_t i = p->words; i < a->bits.words; i++)
		word[i] = 0;
	p->word = word;
	p->words = a->bits.words;
	return 0;
}

static int pin_add_locked(struct arena *a, struct arena_pins *p, uint64_t first,
			  uint64_t count)
{
	const uint64_t end = first + count;
	struct page_range in = { first, end };
	uint64_t fresh;
	uint64_t run;
	uint64_t n;
	int err = space_extend(a, end);

	if (!err)
		err = pins_grow(a, p);
	if (err)
		return err;
	/* Pages that were free are in use from now on. */
	while ((n = bitmaps_find(&a->bits, WANT_FREE, in, count, &run)) > 0) {
		(void)bitmaps_set(&a->bits, MAP_TAKEN, run, n);
		(void)bitmaps_set(&a->bits, MAP_SEALED, run, n);
		fresh = bitmaps_set(&a->bits, MAP_RESERVED, run, n);
		a->used += n;
		a->reserved += fresh;
		a->ready -= n - fresh;
		in.begin = run + n;
	}
	a->pinned += bitmaps_set(&a->bits, MAP_PINNED, first, count);
	for (uint64_t page = first; page < end; page++) {
		uint64_t bit = 1ULL << (page % WORD_BITS);

		p->count += (p->word[page / WORD_BITS] & bit) == 0;
		p->word[page / WORD_BITS] |= bit;
	}
	page_range_add(&a->sealed, first, first + count);
	return 0;
}

int arena_pin_add(struct arena *a, struct arena_pins *p, mapfs_apage first,
		  uint64_t count)
{
	uint64_t in_file;
	int err;

	rmutex_lock(&a->layout);
	in_file = a->file_bytes >> MAPFS_PAGE_SHIFT;
	rmutex_unlock(&a->layout);
	if (count == 0 || first >= in_file || count > in_file - first)
		return -EUCLEAN;
	rmutex_lock(&a->lock);
	err = pin_add_locked(a, p, first, count);
	rmutex_unlock(&a->lock);
	return err;
}

/* PINNED becomes the union of the sets that are left; lock held. */
static void pins_unite(struct arena *a)
{
	const struct arena_pins *p;

	a->pinned = 0;
	for (size_t i = 0; i < a->bits.words; i++) {
		uint64_t word = 0;

		DL_FOREACH(a->pins, p)
			word |= i < p->words ? p->word[i] : 0;
		a->bits.map[MAP_PINNED][i] = word;
		a->pinned += (unsigned int)__builtin_popcountll(word);
	}
}

void arena_unpin(struct arena *a, struct arena_pins *p, bool replaying)
{
	if (!p)
		return;
	rmutex_lock(&a->lock);
	DL_DELETE(a->pins, p);
	pins_unite(a);
	/* A page that lost its last pin can be anywhere. */
	page_range_add(&a->sealed, 0, a->end);
	if (replaying)
		space_free_unpinned(a, (struct page_range){ 0, a->end });
	rmutex_unlock(&a->lock);
	pins_free(p);
}

void arena_drop_pins(struct arena *a, struct arena_pins *p)
{
	if (!p)
		return;
	rmutex_lock(&a->lock);
	DL_DELETE(a->pins, p);
	rmutex_unlock(&a->lock);
	pins_free(p);
}

uint64_t arena_pins_count(const struct arena_pins *p)
{
	return p->count;
}

static bool pins_has(const struct arena_pins *p, uint64_t page)
{
	return page / WORD_BITS < p->words &&
	       (p->word[page / WORD_BITS] >> (page % WORD_BITS) & 1);
}

uint64_t arena_pins_next(const struct arena_pins *p, uint64_t from,
			 mapfs_apage *first)
{
	uint64_t end = (uint64_t)p->words * WORD_BITS;
	uint64_t n = 0;

	while (from < end && !pins_has(p, from))
		from += p->word[from / WORD_BITS] == 0 ?
				WORD_BITS - from % WORD_BITS :
				1;
	while (from + n < end && pins_has(p, from + n))
		n++;
	*first = from;
	return n;
}

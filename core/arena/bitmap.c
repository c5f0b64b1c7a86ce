/* SPDX-License-Identifier: MIT */
/*
 * Bitmaps, a word at a time: an arena of a terabyte has four million words
 * per map, and a scan passes over full ones as fast as memory delivers them.
 */
#include "bitmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/fault.h"

#define WORD_BITS 64U
#define MIN_WORDS 64U

void page_range_add(struct page_range *r, uint64_t begin, uint64_t end)
{
	if (begin < r->begin)
		r->begin = begin;
	if (end > r->end)
		r->end = end;
}

void bitmaps_fini(struct bitmaps *b)
{
	for (int i = 0; i < MAPS; i++)
		free(b->map[i]);
	*b = (struct bitmaps){ .words = 0 };
}

int bitmaps_grow(struct bitmaps *b, uint64_t pages)
{
	uint64_t need = pages / WORD_BITS + (pages % WORD_BITS != 0);
	size_t words = b->words * 2;

	if (need <= b->words)
		return 0;
	if (need > SIZE_MAX / sizeof(uint64_t) / 2 ||
	    fault_point("arena.bits") != 0)
		return -ENOMEM;
	if (words < MIN_WORDS)
		words = MIN_WORDS;
	if (words < need)
		words = (size_t)need;
	/* If a later map cannot grow, those that did are only too long. */
	for (int i = 0; i < MAPS; i++) {
		uint64_t *p = realloc(b->map[i], words * sizeof(*p));

		if (!p)
			return -ENOMEM;
		memset(p + b->words, 0, (words - b->words) * sizeof(*p));
		b->map[i] = p;
	}
	b->words = words;
	return 0;
}

/* The bits of word `i` within first .. end - 1, some of which are in it. */
static uint64_t range_mask(size_t i, uint64_t first, uint64_t end)
{
	uint64_t begin = (uint64_t)i * WORD_BITS;
	uint64_t mask = UINT64_MAX;

	if (first > begin)
		mask &= UINT64_MAX << (first - begin);
	if (end < begin + WORD_BITS)
		mask &= ~(UINT64_MAX << (end - begin));
	return mask;
}

static unsigned int popcount(uint64_t word)
{
	return (unsigned int)__builtin_popcountll(word);
}

uint64_t bitmaps_set(struct bitmaps *b, enum arena_map map, uint64_t first,
		     uint64_t count)
{
	uint64_t end = first + count;
	uint64_t changed = 0;

	for (size_t i = first / WORD_BITS; i * WORD_BITS < end; i++) {
		uint64_t mask = range_mask(i, first, end);

		changed += popcount(mask & ~b->map[map][i]);
		b->map[map][i] |= mask;
	}
	return changed;
}

uint64_t bitmaps_clear(struct bitmaps *b, enum arena_map map, uint64_t first,
		       uint64_t count)
{
	uint64_t end = first + count;
	uint64_t changed = 0;

	for (size_t i = first / WORD_BITS; i * WORD_BITS < end; i++) {
		uint64_t mask = range_mask(i, first, end);

		changed += popcount(mask & b->map[map][i]);
		b->map[map][i] &= ~mask;
	}
	return changed;
}

uint64_t bitmaps_count(const struct bitmaps *b, enum arena_map map,
		       uint64_t first, uint64_t count)
{
	uint64_t end = first + count;
	uint64_t set = 0;

	for (size_t i = first / WORD_BITS; i * WORD_BITS < end; i++)
		set += popcount(b->map[map][i] & range_mask(i, first, end));
	return set;
}

static uint64_t word_of(const struct bitmaps *b, enum arena_want want, size_t i)
{
	switch (want) {
	case WANT_READY:
		return b->map[MAP_RESERVED][i] & ~b->map[MAP_TAKEN][i];
	case WANT_BARE:
		return ~b->map[MAP_RESERVED][i] & ~b->map[MAP_TAKEN][i];
	case WANT_FREE:
		return ~b->map[MAP_TAKEN][i];
	case WANT_TAKEN:
		return b->map[MAP_TAKEN][i];
	case WANT_LIVE:
		return b->map[MAP_TAKEN][i] &
		       ~(b->map[MAP_PENDING][i] | b->map[MAP_SEALED][i]);
	case WANT_PENDING:
		return b->map[MAP_PENDING][i];
	case WANT_PINNED:
		return b->map[MAP_PINNED][i];
	case WANT_FREED:
		return b->map[MAP_SEALED][i] & ~b->map[MAP_PINNED][i];
	}
	return 0;
}

bool bitmaps_has(const struct bitmaps *b, enum arena_want want, uint64_t page)
{
	return (word_of(b, want, page / WORD_BITS) >> (page % WORD_BITS)) & 1;
}

/* First page in from .. to - 1 that is wanted (or that is not); else `to`. */
static uint64_t find_first(const struct bitmaps *b, enum arena_want want,
			   bool wanted, uint64_t from, uint64_t to)
{
	while (from < to) {
		size_t i = from / WORD_BITS;
		uint64_t word = word_of(b, want, i);
		uint64_t at;

		if (!wanted)
			word = ~word;
		word &= UINT64_MAX << (from % WORD_BITS);
		if (word == 0) {
			from = ((uint64_t)i + 1) * WORD_BITS;
			continue;
		}
		at = (uint64_t)i * WORD_BITS + (uint64_t)__builtin_ctzll(word);
		return at < to ? at : to;
	}
	return to;
}

uint64_t bitmaps_find(const struct bitmaps *b, enum arena_want want,
		      struct page_range in, uint64_t most, uint64_t *first)
{
	uint64_t at = find_first(b, want, true, in.begin, in.end);

	if (at >= in.end)
		return 0;
	if (most < in.end - at)
		in.end = at + most;
	*first = at;
	return find_first(b, want, false, at, in.end) - at;
}

uint64_t bitmaps_run_start(const struct bitmaps *b, enum arena_want want,
			   uint64_t page)
{
	while (page > 0) {
		uint64_t last = page - 1;
		uint64_t word = word_of(b, want, last / WORD_BITS);
		unsigned int shift =
			WORD_BITS - 1 - (unsigned int)(last % WORD_BITS);
		uint64_t other = ~word << shift;

		/* Bit `last` is now the topmost; look for the first zero. */
		if (other == 0) {
			page = last / WORD_BITS * WORD_BITS;
			continue;
		}
		return page - (uint64_t)__builtin_clzll(other);
	}
	return 0;
}

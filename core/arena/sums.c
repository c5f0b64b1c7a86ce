/* SPDX-License-Identifier: MIT */
#include "sums.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/lib/array.h"
#include "core/lib/checksum.h"
#include "core/lib/fault.h"

#define WORD_BITS 64U
#define CHUNK_WORDS (SUMS_CHUNK_PAGES / WORD_BITS)

struct sums_chunk {
	uint64_t sum[SUMS_CHUNK_PAGES];
	uint64_t unrecorded[CHUNK_WORDS];
	uint64_t verified[CHUNK_WORDS]; /* in `round` */
	uint64_t round;
	unsigned int unrecorded_count;
};

uint64_t page_sum(const void *bytes, uint64_t page)
{
	uint64_t sum = checksum64(bytes, MAPFS_PAGE_SIZE, page);

	return sum ? sum : 1;
}

void sums_fini(struct sums *s)
{
	for (size_t n = 0; n < s->count; n++)
		free(s->chunk[n]);
	free(s->chunk);
	*s = (struct sums){ .count = 0 };
}

static struct sums_chunk *chunk_of(const struct sums *s, uint64_t page)
{
	const uint64_t n = page / SUMS_CHUNK_PAGES;

	return n < s->count ? s->chunk[n] : NULL;
}

static size_t word_of(uint64_t page)
{
	return page % SUMS_CHUNK_PAGES / WORD_BITS;
}

static uint64_t bit_of(uint64_t page)
{
	return 1ULL << (page % WORD_BITS);
}

int sums_reserve(struct sums *s, uint64_t first, uint64_t count)
{
	const uint64_t last = (first + count - 1) / SUMS_CHUNK_PAGES;

	assert(count > 0);
	for (uint64_t n = first / SUMS_CHUNK_PAGES; n <= last; n++) {
		if (n < s->count && s->chunk[n])
			continue;
		if (fault_point("arena.sums") != 0 ||
		    array_reserve_bytes(&s->chunk, sizeof(void *), &s->cap,
					n + 1))
			return -ENOMEM;
		while (s->count <= n)
			s->chunk[s->count++] = NULL;
		s->chunk[n] = calloc(1, sizeof(**s->chunk));
		if (!s->chunk[n])
			return -ENOMEM;
	}
	return 0;
}

/* The run that is being settled has no claim on this page any more. */
static void settle_leave(struct sums *s, uint64_t page)
{
	if (s->settle_left && page >= s->settle_first &&
	    page - s->settle_first < WORD_BITS)
		s->settle_left &= ~(1ULL << (page - s->settle_first));
}

static void set_unrecorded(struct sums *s, struct sums_chunk *c, uint64_t page,
			   bool is)
{
	const bool was = c->unrecorded[word_of(page)] & bit_of(page);

	if (was == is)
		return;
	c->unrecorded[word_of(page)] ^= bit_of(page);
	if (is) {
		c->unrecorded_count++;
		s->unrecorded++;
	} else {
		c->unrecorded_count--;
		s->unrecorded--;
	}
}

/* Bits of an earlier round do not count. */
static void begin_round(const struct sums *s, struct sums_chunk *c)
{
	if (c->round == s->round)
		return;
	for (size_t i = 0; i < CHUNK_WORDS; i++)
		c->verified[i] = 0;
	c->round = s->round;
}

void sums_forget(struct sums *s, uint64_t first, uint64_t count)
{
	for (uint64_t page = first; page < first + count; page++) {
		struct sums_chunk *c = chunk_of(s, page);

		settle_leave(s, page);
		if (!c)
			continue;
		c->sum[page % SUMS_CHUNK_PAGES] = 0;
		set_unrecorded(s, c, page, false);
		c->verified[word_of(page)] &= ~bit_of(page);
	}
}

void sums_revoke(struct sums *s, uint64_t page)
{
	struct sums_chunk *c = chunk_of(s, page);

	sums_forget(s, page, 1);
	if (c)
		set_unrecorded(s, c, page, true);
}

void sums_set(struct sums *s, uint64_t page, uint64_t sum, bool is_recorded)
{
	struct sums_chunk *c = chunk_of(s, page);

	assert(c);
	settle_leave(s, page);
	begin_round(s, c);
	c->sum[page % SUMS_CHUNK_PAGES] = sum;
	set_unrecorded(s, c, page, sum && !is_recorded);
	if (sum && !is_recorded)
		c->verified[word_of(page)] |= bit_of(page);
	else
		c->verified[word_of(page)] &= ~bit_of(page);
}

uint64_t sums_get(const struct sums *s, uint64_t page)
{
	const struct sums_chunk *c = chunk_of(s, page);

	return c ? c->sum[page % SUMS_CHUNK_PAGES] : 0;
}

uint64_t sums_to_verify(const struct sums *s, uint64_t page)
{
	const struct sums_chunk *c = chunk_of(s, page);

	if (!c || (c->round == s->round &&
		   (c->verified[word_of(page)] & bit_of(page))))
		return 0;
	return c->sum[page % SUMS_CHUNK_PAGES];
}

void sums_set_verified(struct sums *s, uint64_t page, uint64_t sum)
{
	struct sums_chunk *c = chunk_of(s, page);

	if (!c || c->sum[page % SUMS_CHUNK_PAGES] != sum)
		return;
	begin_round(s, c);
	c->verified[word_of(page)] |= bit_of(page);
}

void sums_next_round(struct sums *s, uint64_t round)
{
	s->round = round;
}

void sums_set_unrecorded(struct sums *s, uint64_t first, uint64_t count)
{
	for (uint64_t page = first; page < first + count; page++) {
		struct sums_chunk *c = chunk_of(s, page);

		if (c && c->sum[page % SUMS_CHUNK_PAGES])
			set_unrecorded(s, c, page, true);
	}
}

uint64_t sums_take_unrecorded(struct sums *s, uint64_t from, uint64_t most,
			      uint64_t *first)
{
	const uint64_t end = (uint64_t)s->count * SUMS_CHUNK_PAGES;
	uint64_t n = 0;

	while (from < end) {
		const struct sums_chunk *c = chunk_of(s, from);

		if (!c || c->unrecorded_count == 0)
			from += SUMS_CHUNK_PAGES - from % SUMS_CHUNK_PAGES;
		else if ((c->unrecorded[word_of(from)] >> (from % WORD_BITS)) ==
			 0)
			from += WORD_BITS - from % WORD_BITS;
		else if (c->unrecorded[word_of(from)] & bit_of(from))
			break;
		else
			from++;
	}
	*first = from;
	while (n < most && from + n < end) {
		struct sums_chunk *c = chunk_of(s, from + n);

		if (!c ||
		    !(c->unrecorded[word_of(from + n)] & bit_of(from + n)))
			break;
		set_unrecorded(s, c, from + n, false);
		n++;
	}
	return n;
}

bool sums_has_unrecorded(const struct sums *s, uint64_t first, uint64_t count)
{
	for (uint64_t page = first; page < first + count; page++) {
		const struct sums_chunk *c = chunk_of(s, page);

		if (!c || c->unrecorded_count == 0)
			page |= SUMS_CHUNK_PAGES - 1;
		else if (c->unrecorded[word_of(page)] & bit_of(page))
			return true;
	}
	return false;
}

uint64_t sums_next(const struct sums *s, uint64_t from, uint64_t most,
		   uint64_t *first)
{
	const uint64_t end = (uint64_t)s->count * SUMS_CHUNK_PAGES;
	uint64_t n = 0;

	while (from < end && sums_get(s, from) == 0)
		from += chunk_of(s, from) ?
				1 :
				SUMS_CHUNK_PAGES - from % SUMS_CHUNK_PAGES;
	while (n < most && from + n < end && sums_get(s, from + n) != 0)
		n++;
	*first = from;
	return n;
}

uint64_t sums_next_without(const struct sums *s, uint64_t first, uint64_t end)
{
	while (first < end && sums_get(s, first) != 0)
		first++;
	return first;
}

void sums_settle_begin(struct sums *s, uint64_t first, unsigned int count)
{
	assert(count > 0 && count <= WORD_BITS);
	s->settle_first = first;
	s->settle_left = UINT64_MAX >> (WORD_BITS - count);
}

void sums_settle_end(struct sums *s, const uint64_t *sum)
{
	const uint64_t first = s->settle_first;
	const uint64_t left = s->settle_left;

	s->settle_left = 0;
	for (unsigned int n = 0; n < WORD_BITS; n++)
		if ((left >> n & 1) && sums_get(s, first + n) == 0)
			sums_set(s, first + n, sum[n], false);
}

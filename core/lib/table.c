/* SPDX-License-Identifier: MIT */
/*
 * Linear hashing: with `buckets` between 2^n and 2^(n+1), an element is in the
 * bucket of the lower n + 1 bits of its hash if that exists, else of the lower
 * n bits.  A new bucket takes its elements from one other bucket.
 *
 * The buckets are in segments, so that growing copies none.
 */
#include "table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "array.h"

#define SEGMENT_SHIFT 10
#define SEGMENT_BUCKETS (1U << SEGMENT_SHIFT)

struct table_segment {
	struct table_link *bucket[SEGMENT_BUCKETS];
};

void table_init(struct table *t, uint64_t (*hash)(const struct table_link *l))
{
	*t = (struct table){ .hash = hash };
}

void table_fini(struct table *t)
{
	for (uint64_t n = 0; !t->mem && n << SEGMENT_SHIFT < t->buckets; n++)
		free(t->segments[n]);
	free(t->segments);
	table_init(t, t->hash);
}

static struct table_link **bucket_of(const struct table *t, uint64_t n)
{
	return &t->segments[n >> SEGMENT_SHIFT]
			->bucket[n & (SEGMENT_BUCKETS - 1)];
}

/* The highest power of two that is not above the number of buckets. */
static uint64_t half(const struct table *t)
{
	return 1ULL << (63 - __builtin_clzll(t->buckets));
}

static uint64_t index_of(const struct table *t, uint64_t hash)
{
	const uint64_t low = half(t);
	const uint64_t n = hash & (2 * low - 1);

	return n < t->buckets ? n : n - low;
}

static int add_segment(struct table *t)
{
	const size_t n = (size_t)(t->buckets >> SEGMENT_SHIFT);
	int err = array_reserve_bytes(&t->segments,
				      sizeof(struct table_segment *),
				      &t->segment_cap, n + 1);

	if (err)
		return err;
	t->segments[n] = t->mem ? pool_alloc(t->mem, sizeof(*t->segments[n])) :
				  calloc(1, sizeof(*t->segments[n]));
	return t->segments[n] ? 0 : -ENOMEM;
}

/* One more bucket, which takes a part of the elements of another one. */
static int grow(struct table *t)
{
	const uint64_t fresh = t->buckets;
	struct table_link **from;
	struct table_link **to;
	int err = 0;

	if ((fresh & (SEGMENT_BUCKETS - 1)) == 0)
		err = add_segment(t);
	if (err)
		return err;
	if (fresh == 0) {
		t->buckets = 1;
		return 0;
	}
	from = bucket_of(t, fresh - half(t));
	to = bucket_of(t, fresh);
	t->buckets++;
	while (*from) {
		struct table_link *l = *from;

		if (index_of(t, t->hash(l)) == fresh) {
			*from = l->next;
			l->next = *to;
			*to = l;
		} else {
			from = &l->next;
		}
	}
	return 0;
}

int table_insert(struct table *t, struct table_link *l)
{
	struct table_link **b;

	/* A table that cannot grow has longer chains. */
	if (t->count >= t->buckets && grow(t) && t->buckets == 0)
		return -ENOMEM;
	b = bucket_of(t, index_of(t, t->hash(l)));
	l->next = *b;
	*b = l;
	t->count++;
	return 0;
}

void table_remove(struct table *t, struct table_link *l)
{
	struct table_link **at = bucket_of(t, index_of(t, t->hash(l)));

	while (*at != l) {
		assert(*at);
		at = &(*at)->next;
	}
	*at = l->next;
	l->next = NULL;
	t->count--;
}

struct table_link *table_chain(const struct table *t, uint64_t hash)
{
	return t->buckets ? *bucket_of(t, index_of(t, hash)) : NULL;
}

uint64_t table_buckets(const struct table *t)
{
	return t->buckets;
}

struct table_link *table_bucket(const struct table *t, uint64_t n)
{
	return *bucket_of(t, n);
}

/* The last steps of splitmix64. */
static uint64_t mix(uint64_t n)
{
	n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9ULL;
	n = (n ^ (n >> 27)) * 0x94d049bb133111ebULL;
	return n ^ (n >> 31);
}

/*
 * Sixteen neighbours are in sixteen neighbouring buckets, in an order of their
 * own, so numbers that are multiples of sixteen are spread, too.
 */
uint64_t table_hash_number(uint64_t n)
{
	const uint64_t high = mix(n >> 4);

	return high << 4 | ((n ^ (high >> 60)) & 15);
}

/* SPDX-License-Identifier: MIT */
#include "rest.h"

#include <stdlib.h>

/* The walk from the first byte of the image to its last one. */
struct rest_ctx {
	struct partition_table *t;
	uint64_t at; /* all bytes before are in an entry */
	unsigned int tables;
	unsigned int gaps;
};

static int own_by_start(const void *a, const void *b)
{
	const struct partition_extent *p = a;
	const struct partition_extent *q = b;

	return (p->start_bytes > q->start_bytes) -
	       (p->start_bytes < q->start_bytes);
}

static uint64_t end_of(uint64_t start, uint64_t size)
{
	return size < UINT64_MAX - start ? start + size : UINT64_MAX;
}

static int add(struct rest_ctx *ctx, enum partition_kind kind, uint64_t end)
{
	const bool is_table = kind == PARTITION_TABLE;
	struct partition p = {
		.kind = kind,
		.number = is_table ? ++ctx->tables : ++ctx->gaps,
		.start_bytes = ctx->at,
		.size_bytes = end - ctx->at,
	};

	ctx->at = end;
	return partition_table_add(ctx->t, &p);
}

/* Parts of the table that touch are one entry: a GPT's header and array. */
static void own_merge(struct partition_table *t)
{
	size_t last = 0;

	if (t->own_count == 0)
		return;
	qsort(t->own, t->own_count, sizeof(*t->own), own_by_start);
	for (size_t i = 1; i < t->own_count; i++) {
		struct partition_extent *e = &t->own[last];
		const uint64_t end = end_of(e->start_bytes, e->size_bytes);
		const uint64_t next =
			end_of(t->own[i].start_bytes, t->own[i].size_bytes);

		if (t->own[i].start_bytes > end)
			t->own[++last] = t->own[i];
		else if (next > end)
			e->size_bytes = next - e->start_bytes;
	}
	t->own_count = last + 1;
}

/* Up to `end` there is no partition. */
static int add_free(struct rest_ctx *ctx, uint64_t end)
{
	int err = 0;

	for (size_t i = 0; i < ctx->t->own_count && !err; i++) {
		const struct partition_extent *own = &ctx->t->own[i];
		uint64_t own_end = end_of(own->start_bytes, own->size_bytes);

		if (own_end > end)
			own_end = end;
		if (own_end <= ctx->at || own->start_bytes >= end)
			continue;
		if (own->start_bytes > ctx->at)
			err = add(ctx, PARTITION_GAP, own->start_bytes);
		if (!err)
			err = add(ctx, PARTITION_TABLE, own_end);
	}
	if (!err && ctx->at < end)
		err = add(ctx, PARTITION_GAP, end);
	return err;
}

int rest_add(struct partition_table *t)
{
	struct rest_ctx ctx = { .t = t };
	const size_t count = t->count;
	int err = 0;

	own_merge(t);
	partition_table_sort(t, partition_by_start);
	for (size_t i = 0; i < count && !err; i++) {
		/* Adding moves the array. */
		const uint64_t start = t->list[i].start_bytes;
		const uint64_t end = end_of(start, t->list[i].size_bytes);

		if (start >= t->size_bytes)
			break;
		if (start > ctx.at)
			err = add_free(&ctx, start);
		if (end > ctx.at)
			ctx.at = end;
	}
	if (!err && ctx.at < t->size_bytes)
		err = add_free(&ctx, t->size_bytes);
	partition_table_sort(t, partition_by_start);
	return err;
}

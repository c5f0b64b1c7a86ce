/* SPDX-License-Identifier: MIT */
#include "intent.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "core/arena/page_sums.h"
#include "state.h"
#include "store.h"

static int64_t now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return t.tv_sec;
}

int intent_recover(struct store *st)
{
	struct regions *in = &st->regions;
	uint64_t region;
	int err = 0;

	rmutex_lock(&in->lock);
	for (uint64_t n = 0;
	     !err && arena_next_in_flight(st->arena, n, &region);
	     n = region + 1) {
		err = regions_make(in, region + 1);
		if (err)
			break;
		in->list[region].state = REGION_IN_FLIGHT;
		in->list[region].used_s = now_s();
		in->in_flight++;
	}
	rmutex_unlock(&in->lock);
	return err;
}

static void add_region(struct group *g, enum record_type type, size_t n)
{
	group_add(g, &(struct record){
			     .type = type,
			     .region.first = (uint64_t)n * REGION_PAGES,
			     .region.count = REGION_PAGES,
		     });
}

static int append(struct store *st, struct group *g)
{
	mapfs_lsn lsn;
	int err = group_error(g);

	if (!err)
		err = journal_append(st->journal, g->buf, g->len_bytes, &lsn);
	group_fini(g);
	return err;
}

/* The regions of a run of pages. */
struct region_range {
	size_t begin;
	size_t end;
};

static struct region_range regions_of(mapfs_apage first, uint64_t count)
{
	return (struct region_range){
		.begin = first / REGION_PAGES,
		.end = (first + count - 1) / REGION_PAGES + 1,
	};
}

/* *flush: a record of one of them is not durable yet; lock held. */
static int begin_locked(struct store *st, struct region_range r, bool *flush)
{
	struct regions *in = &st->regions;
	struct group g;
	int err = regions_make(in, r.end);

	if (err)
		return err;
	group_init(&g);
	for (size_t n = r.begin; n < r.end; n++)
		if (in->list[n].state == REGION_QUIET)
			add_region(&g, RECORD_IN_FLIGHT, n);
	if (g.len_bytes > 0 || g.failed)
		err = append(st, &g);
	else
		group_fini(&g);
	if (err)
		return err;
	*flush = false;
	for (size_t n = r.begin; n < r.end; n++) {
		struct region *one = &in->list[n];

		if (one->state == REGION_QUIET) {
			one->state = REGION_APPENDED;
			in->in_flight++;
		}
		*flush |= one->state == REGION_APPENDED;
		one->writers++;
	}
	return 0;
}

/* A flush ended that had begun when they were appended. */
static void set_durable(struct regions *in, struct region_range r)
{
	rmutex_lock(&in->lock);
	for (size_t n = r.begin; n < r.end; n++)
		in->list[n].state = REGION_IN_FLIGHT;
	rmutex_unlock(&in->lock);
}

int store_overwrite_begin(struct store *st, mapfs_apage first, uint64_t count)
{
	const struct region_range r = regions_of(first, count);
	bool flush = false;
	int err;

	if (st->ephemeral || count == 0)
		return 0;
	assert(apage_arena(first) == 0);
	rmutex_lock(&st->regions.lock);
	err = begin_locked(st, r, &flush);
	rmutex_unlock(&st->regions.lock);
	if (err || !flush)
		return err;
	/* No page may reach the disk before the record that admits it. */
	err = journal_flush(st->journal);
	if (err) {
		store_latch(st, err, "sync failed");
		store_overwrite_end(st, first, count);
		return err;
	}
	set_durable(&st->regions, r);
	return 0;
}

void store_overwrite_end(struct store *st, mapfs_apage first, uint64_t count)
{
	const struct region_range r = regions_of(first, count);
	const int64_t now = now_s();

	if (st->ephemeral || count == 0)
		return;
	rmutex_lock(&st->regions.lock);
	for (size_t n = r.begin; n < r.end; n++) {
		assert(st->regions.list[n].writers > 0);
		st->regions.list[n].writers--;
		st->regions.list[n].used_s = now;
	}
	rmutex_unlock(&st->regions.lock);
}

void intent_add(struct store *st, struct group *g)
{
	rmutex_lock(&st->regions.lock);
	for (size_t n = 0; n < st->regions.count; n++)
		if (st->regions.list[n].state != REGION_QUIET)
			add_region(g, RECORD_IN_FLIGHT, n);
	rmutex_unlock(&st->regions.lock);
}

static bool is_idle(const struct region *one, int64_t idle_s)
{
	return one->state != REGION_QUIET && one->writers == 0 &&
	       now_s() - one->used_s >= idle_s;
}

bool intent_has_idle(struct store *st, int64_t idle_s)
{
	struct regions *in = &st->regions;
	bool has = false;

	rmutex_lock(&in->lock);
	for (size_t n = 0; in->in_flight > 0 && !has && n < in->count; n++)
		has = is_idle(&in->list[n], idle_s) &&
		      arena_has_sums(st->arena, n * (uint64_t)REGION_PAGES,
				     REGION_PAGES);
	rmutex_unlock(&in->lock);
	return has;
}

/* Its pages have their sums in the journal, and nobody overwrites them. */
static bool may_settle(struct store *st, size_t n, int64_t idle_s)
{
	return is_idle(&st->regions.list[n], idle_s) &&
	       arena_is_settled(st->arena, n * (uint64_t)REGION_PAGES,
				REGION_PAGES);
}

void intent_append_settled(struct store *st, int64_t idle_s)
{
	struct regions *in = &st->regions;

	/* With the lock held, so that no overwrite begins before the record. */
	rmutex_lock(&in->lock);
	for (size_t n = 0; in->in_flight > 0 && n < in->count; n++) {
		struct group g;

		if (!may_settle(st, n, idle_s))
			continue;
		group_init(&g);
		add_region(&g, RECORD_SETTLED, n);
		if (append(st, &g) != 0)
			break;
		in->list[n].state = REGION_QUIET;
		in->in_flight--;
	}
	rmutex_unlock(&in->lock);
}

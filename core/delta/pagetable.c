/* SPDX-License-Identifier: MIT */
/*
 * A radix tree of 64-way nodes.  A slot is one word:
 *
 *    ...000 00   PT_BASE, no entry
 *    ...000 01   PT_HOLE
 *    apage  10   PT_ARENA: the pages of this slot are neighbours from apage on
 *    node   11   see one level down
 *
 * A slot of level n stands for 64^n pages.  Setting a range first splits the
 * two slots in which the range begins and ends; that changes no meaning, and is
 * the only step that can fail.  Then whole slots are overwritten.  On the way
 * up a node is folded into one slot if that can stand for all of its slots.
 */
#include "pagetable.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define FANOUT_SHIFT 6
#define FANOUT (1U << FANOUT_SHIFT)
#define HEIGHT_MAX 9 /* 64^9 pages hold every file of 2^63 bytes */
#define COUNT_MASK ((1ULL << 56) - 1) /* ... and fewer can be counted */

#define SLOT_BASE 0U
#define SLOT_HOLE 1U
#define SLOT_ARENA 2U
#define SLOT_NODE 3U
#define SLOT_KIND 3U

struct pt_node {
	uint64_t slot[FANOUT];
};

/* A change of the table. */
struct pt_change {
	struct pagetable *pt;
	const struct pt_run *run;
	pt_freed_fn freed;
	void *arg;
};

static uint64_t level_pages(unsigned int level)
{
	return 1ULL << (level * FANOUT_SHIFT);
}

static struct pt_node *slot_node(uint64_t slot)
{
	assert((slot & SLOT_KIND) == SLOT_NODE);
	return (struct pt_node *)(uintptr_t)(slot & ~(uint64_t)SLOT_KIND);
}

static uint64_t slot_arena(mapfs_apage apage)
{
	return apage << 2 | SLOT_ARENA;
}

/* The slot for the same pages without the first `skip`. */
static uint64_t slot_part(uint64_t slot, uint64_t skip)
{
	return (slot & SLOT_KIND) == SLOT_ARENA ? slot + (skip << 2) : slot;
}

void pagetable_init(struct pagetable *pt)
{
	*pt = (struct pagetable){ 0 };
}

/* How many of the pages from `at` on are below base_end. */
static uint64_t over_base(const struct pagetable *pt, mapfs_pgno at,
			  uint64_t pages)
{
	if (at >= pt->base_end)
		return 0;
	return pages < pt->base_end - at ? pages : pt->base_end - at;
}

/* Counts a slot for `pages` pages from `at` on that is added or removed. */
static void count_slot(struct pagetable *pt, uint64_t slot, mapfs_pgno at,
		       uint64_t pages, bool add)
{
	const uint64_t hiding = over_base(pt, at, pages);
	const uint64_t change = add ? pages : -pages;

	if ((slot & SLOT_KIND) == SLOT_ARENA)
		pt->arena_pages += change;
	else if ((slot & SLOT_KIND) == SLOT_HOLE)
		pt->hole_pages = (pt->hole_pages + change) & COUNT_MASK;
	else
		return;
	pt->hiding_pages = add ? pt->hiding_pages + hiding :
				 pt->hiding_pages - hiding;
}

/* Removes the entries of a slot of `level` that begins at `at`. */
static void slot_drop(struct pt_change *c, uint64_t slot, unsigned int level,
		      mapfs_pgno at)
{
	if ((slot & SLOT_KIND) == SLOT_NODE) {
		struct pt_node *node = slot_node(slot);

		for (unsigned int i = 0; i < FANOUT; i++)
			slot_drop(c, node->slot[i], level - 1,
				  at + i * level_pages(level - 1));
		free(node);
		return;
	}
	count_slot(c->pt, slot, at, level_pages(level), false);
	if ((slot & SLOT_KIND) == SLOT_ARENA && c->freed)
		c->freed(c->arg, slot >> 2, level_pages(level));
}

void pagetable_fini(struct pagetable *pt, pt_freed_fn freed, void *arg)
{
	struct pt_change c = { .pt = pt, .freed = freed, .arg = arg };

	slot_drop(&c, pt->root, pt->height, 0);
	pagetable_init(pt);
}

/* The slot that has `pgno`, cut so that it begins there. */
static void slot_find(const struct pagetable *pt, mapfs_pgno pgno,
		      uint64_t *slot, uint64_t *pages)
{
	unsigned int level = pt->height;
	uint64_t s = pt->root;
	uint64_t within = pgno;

	if (pgno >= level_pages(level)) {
		*slot = SLOT_BASE;
		*pages = UINT64_MAX;
		return;
	}
	while ((s & SLOT_KIND) == SLOT_NODE) {
		level--;
		s = slot_node(s)->slot[within >> (level * FANOUT_SHIFT)];
		within &= level_pages(level) - 1;
	}
	*slot = slot_part(s, within);
	*pages = level_pages(level) - within;
}

void pagetable_lookup(const struct pagetable *pt, mapfs_pgno first,
		      uint64_t most, struct pt_run *out)
{
	uint64_t slot;
	uint64_t next;
	uint64_t pages;
	uint64_t count;

	assert(most > 0);
	slot_find(pt, first, &slot, &count);
	while (count < most) {
		slot_find(pt, first + count, &next, &pages);
		if (next != slot_part(slot, count))
			break;
		count = pages > most - count ? most : count + pages;
	}
	*out = (struct pt_run){
		.kind = (enum pt_kind)(slot & SLOT_KIND),
		.first = first,
		.count = count < most ? count : most,
		.apage = slot >> 2,
	};
}

bool pagetable_next(const struct pagetable *pt, mapfs_pgno first,
		    struct pt_run *out)
{
	const uint64_t end = level_pages(pt->height);
	struct pt_run run;

	while (first < end) {
		pagetable_lookup(pt, first, end - first, &run);
		if (run.kind != PT_BASE) {
			*out = run;
			return true;
		}
		first += run.count;
	}
	return false;
}

mapfs_pgno pagetable_end(const struct pagetable *pt)
{
	const uint64_t end = level_pages(pt->height);

	return end < MAPFS_MAX_PAGES ? end : MAPFS_MAX_PAGES;
}

static uint64_t count_entries(const struct pagetable *pt, mapfs_pgno at,
			      mapfs_pgno end)
{
	struct pt_run run;
	uint64_t n = 0;

	while (at < end && pagetable_next(pt, at, &run) && run.first < end) {
		at = run.first + run.count;
		n += (at < end ? at : end) - run.first;
	}
	return n;
}

void pagetable_set_base_end(struct pagetable *pt, mapfs_pgno end)
{
	const mapfs_pgno was = pt->base_end;

	if (end > was)
		pt->hiding_pages += count_entries(pt, was, end);
	else
		pt->hiding_pages -= count_entries(pt, end, was);
	pt->base_end = end;
}

static int pt_grow(struct pagetable *pt, mapfs_pgno last)
{
	while (last >= level_pages(pt->height)) {
		assert(pt->height < HEIGHT_MAX);
		if (pt->root != SLOT_BASE) {
			struct pt_node *node = calloc(1, sizeof(*node));

			if (!node)
				return -ENOMEM;
			node->slot[0] = pt->root;
			pt->root = (uintptr_t)node | SLOT_NODE;
		}
		pt->height++;
	}
	return 0;
}

/* Makes `pgno` the first page of a slot. */
static int pt_split(struct pagetable *pt, mapfs_pgno pgno)
{
	unsigned int level = pt->height;
	uint64_t *slot = &pt->root;
	uint64_t within = pgno;

	if (pgno >= level_pages(level))
		return 0;
	while (within != 0) {
		level--;
		if ((*slot & SLOT_KIND) != SLOT_NODE) {
			struct pt_node *node = calloc(1, sizeof(*node));

			if (!node)
				return -ENOMEM;
			for (unsigned int i = 0; i < FANOUT; i++)
				node->slot[i] = slot_part(
					*slot, i * level_pages(level));
			*slot = (uintptr_t)node | SLOT_NODE;
		}
		slot = &slot_node(*slot)->slot[within >> (level * FANOUT_SHIFT)];
		within &= level_pages(level) - 1;
	}
	return 0;
}

/* Folds a node of `level` into its slot if the slot can stand for it. */
static void slot_fold(uint64_t *slot, unsigned int level)
{
	struct pt_node *node = slot_node(*slot);
	uint64_t first = node->slot[0];

	if ((first & SLOT_KIND) == SLOT_NODE)
		return;
	for (unsigned int i = 1; i < FANOUT; i++)
		if (node->slot[i] !=
		    slot_part(first, i * level_pages(level - 1)))
			return;
	free(node);
	*slot = first;
}

/* Writes the run into `slot`, which begins at page `at`, as far as they meet. */
static void slot_assign(struct pt_change *c, uint64_t *slot, unsigned int level,
			mapfs_pgno at)
{
	const struct pt_run *run = c->run;
	const mapfs_pgno end = at + level_pages(level);
	const mapfs_pgno run_end = run->first + run->count;
	struct pt_node *node;

	if (run->first >= end || run_end <= at)
		return;
	if (run->first <= at && end <= run_end) {
		uint64_t fresh =
			run->kind == PT_ARENA ?
				slot_arena(run->apage + (at - run->first)) :
				(uint64_t)run->kind;

		slot_drop(c, *slot, level, at);
		count_slot(c->pt, fresh, at, level_pages(level), true);
		*slot = fresh;
		return;
	}
	node = slot_node(*slot);
	level--;
	for (unsigned int i = 0; i < FANOUT; i++)
		slot_assign(c, &node->slot[i], level,
			    at + i * level_pages(level));
	slot_fold(slot, level + 1);
}

int pagetable_set(struct pagetable *pt, const struct pt_run *run,
		  pt_freed_fn freed, void *arg)
{
	struct pt_change c = {
		.pt = pt,
		.run = run,
		.freed = freed,
		.arg = arg,
	};
	int err;

	assert(run->count > 0);
	assert(run->first < MAPFS_MAX_PAGES);
	assert(run->count <= MAPFS_MAX_PAGES - run->first);
	err = pt_grow(pt, run->first + run->count - 1);
	if (!err)
		err = pt_split(pt, run->first);
	if (!err)
		err = pt_split(pt, run->first + run->count);
	if (err)
		return err;
	slot_assign(&c, &pt->root, pt->height, 0);
	return 0;
}

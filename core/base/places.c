/* SPDX-License-Identifier: MIT */
/*
 * Two hash tables with linear probing: the one in use, and the one that a walk
 * is filling.  An entry is removed by moving back those behind it, so a table
 * needs no marks for removed entries.
 */
#include "places.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/lib/lock.h"

#define SLOTS_FIRST 1024

struct table {
	struct place *slots; /* ino 0: free; NULL: no table */
	size_t mask;	     /* number of slots - 1 */
	size_t count;
};

struct places {
	struct rmutex lock; /* RANK_LEAF */
	struct table known; /* by lock */
	struct table fresh; /* by lock; of a walk */
	atomic_bool is_on;  /* a walk has begun */
	bool is_walking;    /* by lock */
	bool is_whole;	    /* by lock */
	bool has_missed;    /* by lock: since the walk began */
};

static size_t slot_of(const struct table *t, mapfs_ino ino)
{
	return (size_t)((ino * 0x9e3779b97f4a7c15ULL) >> 20) & t->mask;
}

/* The inode's slot, or the free slot for it. */
static struct place *table_slot(const struct table *t, mapfs_ino ino)
{
	size_t at = slot_of(t, ino);

	while (t->slots[at].ino && t->slots[at].ino != ino)
		at = (at + 1) & t->mask;
	return &t->slots[at];
}

static int table_grow(struct table *t)
{
	size_t slots = t->slots ? (t->mask + 1) * 2 : SLOTS_FIRST;
	struct table bigger = {
		.slots = calloc(slots, sizeof(*t->slots)),
		.mask = slots - 1,
		.count = t->count,
	};

	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; t->slots && i <= t->mask; i++)
		if (t->slots[i].ino)
			*table_slot(&bigger, t->slots[i].ino) = t->slots[i];
	free(t->slots);
	*t = bigger;
	return 0;
}

static int table_set(struct table *t, const struct place *place)
{
	struct place *slot;
	bool is_crowded = !t->slots || t->count >= (t->mask + 1) / 4 * 3;

	if (is_crowded && table_grow(t))
		return -ENOMEM;
	slot = table_slot(t, place->ino);
	if (!slot->ino) {
		t->count++;
		*slot = *place;
	} else if (slot->dir != place->dir || place->cookie) {
		*slot = *place;
	}
	return 0;
}

static void table_remove(struct table *t, mapfs_ino ino)
{
	struct place *slot = t->slots ? table_slot(t, ino) : NULL;
	size_t hole;

	if (!slot || !slot->ino)
		return;
	t->count--;
	hole = (size_t)(slot - t->slots);
	for (size_t at = (hole + 1) & t->mask; t->slots[at].ino;
	     at = (at + 1) & t->mask) {
		size_t home = slot_of(t, t->slots[at].ino);

		/* An entry whose search begins behind the hole stays. */
		if (((at - home) & t->mask) < ((at - hole) & t->mask))
			continue;
		t->slots[hole] = t->slots[at];
		hole = at;
	}
	t->slots[hole].ino = 0;
}

int places_create(struct places **out)
{
	struct places *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	rmutex_init(&p->lock, RANK_LEAF);
	*out = p;
	return 0;
}

void places_destroy(struct places *p)
{
	if (!p)
		return;
	free(p->known.slots);
	free(p->fresh.slots);
	rmutex_fini(&p->lock);
	free(p);
}

bool places_get(struct places *p, mapfs_ino ino, struct place *out)
{
	bool found = false;

	rmutex_lock(&p->lock);
	if (p->known.slots && ino) {
		const struct place *slot = table_slot(&p->known, ino);

		found = slot->ino != 0;
		if (found)
			*out = *slot;
	}
	rmutex_unlock(&p->lock);
	return found;
}

void places_note(struct places *p, const struct place *place)
{
	int err;

	if (!place->ino || !atomic_load(&p->is_on))
		return;
	rmutex_lock(&p->lock);
	err = table_set(&p->known, place);
	if (p->is_walking && table_set(&p->fresh, place))
		err = -ENOMEM;
	if (err) {
		p->has_missed = true;
		p->is_whole = false;
	}
	rmutex_unlock(&p->lock);
}

void places_forget(struct places *p, mapfs_ino ino)
{
	if (!ino || !atomic_load(&p->is_on))
		return;
	rmutex_lock(&p->lock);
	table_remove(&p->known, ino);
	table_remove(&p->fresh, ino);
	rmutex_unlock(&p->lock);
}

void places_walk_begin(struct places *p)
{
	rmutex_lock(&p->lock);
	p->is_walking = true;
	p->has_missed = false;
	rmutex_unlock(&p->lock);
	atomic_store(&p->is_on, true);
}

void places_walk_end(struct places *p, bool complete)
{
	struct place *old;

	rmutex_lock(&p->lock);
	old = p->known.slots;
	p->known = p->fresh;
	p->fresh = (struct table){ 0 };
	p->is_walking = false;
	p->is_whole = complete && !p->has_missed;
	rmutex_unlock(&p->lock);
	free(old);
}

void places_disturb(struct places *p)
{
	rmutex_lock(&p->lock);
	p->has_missed = true;
	rmutex_unlock(&p->lock);
}

bool places_are_whole(struct places *p)
{
	bool is_whole;

	rmutex_lock(&p->lock);
	is_whole = p->is_whole;
	rmutex_unlock(&p->lock);
	return is_whole;
}

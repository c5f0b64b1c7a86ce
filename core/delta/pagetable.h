/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_PAGETABLE_H
#define MAPFS_CORE_DELTA_PAGETABLE_H

/*
 * Where each page of a changed file is: in the base, nowhere (a hole), or in
 * the arena.  A radix tree like an MMU's, with "huge" entries: a slot on any
 * level can stand for a hole or for an unbroken run of arena pages, so a file
 * written in order, or a hole of a terabyte, costs a few slots.
 *
 * Lifetime: init/fini for memory the caller owns; a zeroed table is empty.
 * Errors:   0 or -ENOMEM, and then nothing changed.
 * Locking:  the caller holds the inode's stripe, for writing to change.
 */
#include "core/lib/types.h"

enum pt_kind {
	PT_BASE, /* not in the table: the base's page, if it has one */
	PT_HOLE, /* reads as zeros whatever the base says */
	PT_ARENA,
};

struct pt_run {
	enum pt_kind kind;
	mapfs_pgno first;
	uint64_t count;
	mapfs_apage apage; /* of `first`; PT_ARENA only */
};

struct pagetable {
	uint64_t root;	       /* slot, see pagetable.c */
	unsigned int height;   /* levels of nodes below the root slot */
	uint64_t arena_pages;  /* entries of kind PT_ARENA */
	uint64_t hole_pages;   /* ... PT_HOLE */
	mapfs_pgno base_end;   /* pages below are the base's if not here */
	uint64_t hiding_pages; /* entries below base_end */
};

/* Told of arena pages that left the table. */
typedef void (*pt_freed_fn)(void *arg, mapfs_apage first, uint64_t count);

void pagetable_init(struct pagetable *pt);
/* Forgets everything; `freed` (may be NULL) is told of each arena run. */
void pagetable_fini(struct pagetable *pt, pt_freed_fn freed, void *arg);
/*
 * The longest run of one kind (and unbroken in the arena) that starts at
 * `first`, at most `most` pages.
 */
void pagetable_lookup(const struct pagetable *pt, mapfs_pgno first,
		      uint64_t most, struct pt_run *out);
/* The first run at or after `first` that is not PT_BASE; false: none. */
bool pagetable_next(const struct pagetable *pt, mapfs_pgno first,
		    struct pt_run *out);
/* No entry lies at or behind this page. */
mapfs_pgno pagetable_end(const struct pagetable *pt);
/*
 * Where the base ends, for hiding_pages.  Costs as much as there are entries
 * between the old end and the new one; after a truncate there are none.
 */
void pagetable_set_base_end(struct pagetable *pt, mapfs_pgno end);
int must_check pagetable_set(struct pagetable *pt, const struct pt_run *run,
			     pt_freed_fn freed, void *arg);

#endif

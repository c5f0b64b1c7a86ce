/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_PAGETABLE_H
#define MAPFS_CORE_DELTA_PAGETABLE_H

/*
 * Where each page of a changed file is: in the base, in the arena, or nowhere
 * (a hole).  A radix tree like that of an MMU, with "huge" entries: a slot on
 * any level can stand for a hole or for a run of neighbouring arena pages, so
 * a file written in order, or a hole of a terabyte, costs a few slots.
 *
 * Lifetime: init/fini for memory the caller owns; a zeroed table is empty.
 * Errors:   0 or -ENOMEM, and then nothing changed.
 * Locking:  the caller holds the inode's stripe, for writing to change.
 */
#include "core/lib/types.h"

enum pt_kind {
	PT_BASE, /* no entry: the page of the base, if there is one */
	PT_HOLE, /* zeros, also where the base has a page */
	PT_ARENA,
};

struct pt_run {
	enum pt_kind kind;
	mapfs_pgno first;
	uint64_t count;
	mapfs_apage apage; /* of `first`; PT_ARENA only */
};

struct pagetable {
	uint64_t root;		  /* slot, see pagetable.c */
	uint64_t arena_pages;	  /* entries of kind PT_ARENA */
	uint64_t hole_pages : 56; /* ... PT_HOLE */
	uint64_t height : 8;	  /* levels of nodes below the root slot */
	mapfs_pgno base_end;	  /* PT_BASE pages from here on read as zeros */
	uint64_t hiding_pages;	  /* entries below base_end */
};

/* Called for arena pages that are no longer in the table. */
typedef void (*pt_freed_fn)(void *arg, mapfs_apage first, uint64_t count);

void pagetable_init(struct pagetable *pt);
/* Removes every entry; `freed` may be NULL. */
void pagetable_fini(struct pagetable *pt, pt_freed_fn freed, void *arg);
/*
 * The longest run of one kind that starts at `first`, at most `most` pages.
 * Pages of a PT_ARENA run are neighbours in the arena, too.
 */
void pagetable_lookup(const struct pagetable *pt, mapfs_pgno first,
		      uint64_t most, struct pt_run *out);
/* The first run at or after `first` that is not PT_BASE; false: none. */
bool pagetable_next(const struct pagetable *pt, mapfs_pgno first,
		    struct pt_run *out);
/* Only pages before this one can have an entry. */
mapfs_pgno pagetable_end(const struct pagetable *pt);
/*
 * Sets base_end.  The cost grows with the entries between the old end and the
 * new one, for hiding_pages; after a truncate there are none.
 */
void pagetable_set_base_end(struct pagetable *pt, mapfs_pgno end);
int must_check pagetable_set(struct pagetable *pt, const struct pt_run *run,
			     pt_freed_fn freed, void *arg);

#endif

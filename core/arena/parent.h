/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_ARENA_PARENT_H
#define MAPFS_CORE_ARENA_PARENT_H

/*
 * The arenas of the stores that a branch descends from, for reading.  The
 * parent is arena 1, its parent arena 2, and so on (mapfs_apage).
 *
 * Lifetime: a zeroed struct has no parents; parents_fini() closes them and
 *           leaves it so.
 * Errors:   0 or a negative errno; -EUCLEAN: the bytes on disk name pages that
 *           the file does not have.
 * Locking:  parents are added while the store is opened, before any page
 *           of a parent is named; after that nothing but the sums changes, and
 *           readers need no lock.
 */
#include "core/lib/types.h"

struct arena_parent;
struct sums;

struct arena_parents {
	struct arena_parent *list;
	size_t count;
	size_t cap;
};

/* Takes the descriptor when it succeeds; -EMLINK: there are too many. */
int must_check parents_add(struct arena_parents *p, int fd);
/* How many of these pages of a parent, which exists, its file has. */
uint64_t parents_within(const struct arena_parents *p, mapfs_apage first,
			uint64_t count);
/* `off`: of the byte, with the number of the arena as in mapfs_apage. */
int must_check parents_read(const struct arena_parents *p, uint64_t off,
			    void *buf, size_t len);
/* The sums of arena n, which exists; by arena.lock. */
struct sums *parents_sums(const struct arena_parents *p, unsigned int n);
void parents_fini(struct arena_parents *p);

#endif

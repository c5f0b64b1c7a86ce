/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_ARENA_FIXTURE_H
#define MAPFS_TESTS_UNIT_SUPPORT_ARENA_FIXTURE_H

/*
 * An arena in an unlinked file, and the steps that most of its tests take.
 *
 * Lifetime: open_arena() to close_arena(), which also checks the arena.
 * Errors:   anything unexpected fails the test.
 * Locking:  none.
 */
#include <sys/stat.h>

#include "core/arena/arena.h"

#define PAGE MAPFS_PAGE_SIZE
#define NOWHERE UINT64_MAX /* no hint */

struct fixture {
	struct arena *a;
	int fd; /* a duplicate: the arena owns the other */
};

struct fixture open_arena(void);
void reopen_arena(struct fixture *f);
void close_arena(struct fixture *f);
/* Exactly `count` neighbouring pages. */
mapfs_apage take(struct arena *a, uint64_t count, mapfs_apage hint);
void sync_point(struct arena *a);
struct arena_stats stats_of(struct arena *a);
struct stat stat_of(const struct fixture *f);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_ARENA_SUMS_H
#define MAPFS_CORE_ARENA_SUMS_H

/*
 * The sums of the pages of one arena, in memory [S3].  A page has a sum, or
 * none (0): it was never summed, or its bytes may have changed since.
 *
 *   unrecorded  the journal does not have this sum yet
 *   verified    the bytes were compared with the sum not long ago, or are ours
 *
 * The table is in chunks of 16 MiB of pages, which are allocated when a page
 * gets its first sum, so that a sparse arena is cheap.
 *
 * Lifetime: a zeroed struct has no sums; sums_fini() leaves it so.
 * Errors:   0 or -ENOMEM, and then nothing changed.
 * Locking:  the owner's.
 */
#include "core/lib/types.h"

#define SUMS_CHUNK_PAGES 4096U

struct sums_chunk;

struct sums {
	struct sums_chunk **chunk; /* NULL: no page of it has a sum */
	size_t count;
	size_t cap;
	uint64_t unrecorded; /* pages */
	uint64_t round;	     /* sums verified in earlier ones are not */
	/* A run whose bytes are being read to give it sums; sums_settle_*(). */
	uint64_t settle_first;
	uint64_t settle_left; /* bit n: page settle_first + n is as it was */
};

/* The sum of 4096 bytes as page `page` of an arena; never 0. */
uint64_t page_sum(const void *bytes, uint64_t page);

/* Makes room, so that sums_set() of these pages cannot fail. */
int must_check sums_reserve(struct sums *s, uint64_t first, uint64_t count);
/* These pages have no sum any more: they are about to change. */
void sums_forget(struct sums *s, uint64_t first, uint64_t count);
/* The page has no sum, and that is to be recorded: the journal has one. */
void sums_revoke(struct sums *s, uint64_t page);
/*
 * One sum, or none (0), in the room that sums_reserve() made; `is_recorded`:
 * it came from the journal, else the bytes are ours.
 */
void sums_set(struct sums *s, uint64_t page, uint64_t sum, bool is_recorded);
/* 0: none. */
uint64_t sums_get(const struct sums *s, uint64_t page);
/* The bytes of a read must be compared with this sum; 0: they need not. */
uint64_t sums_to_verify(const struct sums *s, uint64_t page);
/* The bytes had this sum. */
void sums_set_verified(struct sums *s, uint64_t page, uint64_t sum);
/* From now on every page is to be verified again. */
void sums_next_round(struct sums *s, uint64_t round);

/* The pages that have a sum are to be recorded (again). */
void sums_set_unrecorded(struct sums *s, uint64_t first, uint64_t count);
/*
 * The first run of unrecorded pages at or after `from`, cut to `most`; they
 * count as recorded then.  0: there is none.
 */
uint64_t sums_take_unrecorded(struct sums *s, uint64_t from, uint64_t most,
			      uint64_t *first);
bool sums_has_unrecorded(const struct sums *s, uint64_t first, uint64_t count);
/* The first run of pages with a sum at or after `from`, cut to `most`. */
uint64_t sums_next(const struct sums *s, uint64_t from, uint64_t most,
		   uint64_t *first);
/* The first page of first .. end - 1 without a sum; `end`: there is none. */
uint64_t sums_next_without(const struct sums *s, uint64_t first, uint64_t end);

/*
 * Pages that have bytes, but no sum, get one: begin, read the pages, end.  A
 * page that got a sum or lost its own in between is left as it then is.
 * At most 64 pages at a time, of which there is one run.
 */
void sums_settle_begin(struct sums *s, uint64_t first, unsigned int count);
void sums_settle_end(struct sums *s, const uint64_t *sum);
void sums_fini(struct sums *s);

#endif

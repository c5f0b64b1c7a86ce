/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PAGES_MAP_H
#define MAPFS_TOOLS_PAGES_MAP_H

/*
 * A file as runs of bytes, each with its source, and whether it differs from an
 * older version of the file.
 *
 * Lifetime: a zeroed map is empty; page_map_fini() frees it.
 * Errors:   0 or a negative errno; -EBADMSG: the runs do not follow each other.
 * Locking:  none.
 */
#include "core/mapfs.h"

#define PAGE_BYTES 4096U

struct page_run {
	struct mapfs_run run;
	bool differs;
};

struct page_map {
	uint64_t size_bytes; /* of the file: where the last run ends */
	bool is_compared;    /* two versions were compared */
	struct page_run *runs;
	size_t count;
	size_t cap;
};

/* Adds a run, which must begin where the last one ended. */
int must_check page_map_add(struct page_map *m, const struct mapfs_run *run);
/* The bytes of these ranges differ, the others do not; they are in order. */
int must_check page_map_compare(struct page_map *m,
				const struct mapfs_range *ranges, size_t count);
void page_map_fini(struct page_map *m);

/* The number of pages that so many bytes in a row take. */
uint64_t pages_of(uint64_t len_bytes);

#endif

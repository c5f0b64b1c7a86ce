/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PAGES_SOURCE_H
#define MAPFS_TOOLS_PAGES_SOURCE_H

/*
 * Finds the file that the command line names, and reads its map:
 *
 *   a path in a mapfs mount     that file, as its daemon has it
 *   STORE:PATH                  the file of a store, mounted or not
 *   STORE@NAME:PATH             the file of a snapshot
 *
 * A path that exists is taken for a path, whatever characters it has.
 *
 * Lifetime: the caller ends the map with page_map_fini().
 * Errors:   0 or a negative errno and a sentence in `why`; the map is then
 *           empty.
 * Locking:  none.
 */
#include "core/mapfs.h"
#include "map.h"

struct page_source {
	const char *file; /* as on the command line */
	bool is_compared; /* A..B was given: */
	const char *from; /* a snapshot; NULL: the base */
	const char *to;	  /* a snapshot; NULL: the current state */
	bool is_trusted;
};

int must_check page_source_read(struct page_map *out,
				const struct page_source *s,
				struct reason *why);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PAGES_GRID_H
#define MAPFS_TOOLS_PAGES_GRID_H

/*
 * A map in cells that fit a picture: each cell stands for the same number of
 * pages, a power of two, and has the most interesting kind of them.
 *
 * Lifetime: grid_make() to grid_fini(), which accepts a zeroed one.
 * Errors:   0 or -ENOMEM.
 * Locking:  none.
 */
#include "kind.h"

struct grid {
	uint64_t cell_bytes;
	size_t columns;
	size_t count;	      /* of cells; 0: the file is empty */
	unsigned char *cells; /* of enum page_kind */
};

/* At most `columns` cells in a row, and `rows` rows. */
int must_check grid_make(struct grid *out, const struct page_map *m,
			 size_t columns, size_t rows);
/* How many cells from `first` on, in its row, are of one kind. */
size_t grid_alike(const struct grid *g, size_t first);
void grid_fini(struct grid *g);

#endif

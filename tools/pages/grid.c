/* SPDX-License-Identifier: MIT */
#include "grid.h"

#include <errno.h>
#include <stdlib.h>

int grid_make(struct grid *out, const struct page_map *m, size_t columns,
	      size_t rows)
{
	struct grid g = { .cell_bytes = PAGE_BYTES, .columns = columns };

	while ((m->size_bytes - (m->size_bytes > 0)) / g.cell_bytes >=
	       columns * rows)
		g.cell_bytes *= 2;
	if (m->size_bytes > 0)
		g.count = (m->size_bytes - 1) / g.cell_bytes + 1;
	g.cells = calloc(g.count + 1, 1);
	if (!g.cells)
		return -ENOMEM;
	for (size_t i = 0; i < m->count; i++) {
		const struct mapfs_run *run = &m->runs[i].run;
		const unsigned char kind =
			(unsigned char)kind_of_run(&m->runs[i]);
		const size_t last =
			(run->off_bytes + run->len_bytes - 1) / g.cell_bytes;

		for (size_t n = run->off_bytes / g.cell_bytes; n <= last; n++)
			if (g.cells[n] < kind)
				g.cells[n] = kind;
	}
	*out = g;
	return 0;
}

size_t grid_alike(const struct grid *g, size_t first)
{
	size_t n = first + 1;

	while (n < g->count && n % g->columns && g->cells[n] == g->cells[first])
		n++;
	return n - first;
}

void grid_fini(struct grid *g)
{
	free(g->cells);
	*g = (struct grid){ 0 };
}

/* SPDX-License-Identifier: MIT */
/*
 * SVG 1.1, which every browser shows.  Neighbouring cells of one kind are one
 * rectangle, and a pointer over it shows its offset.
 */
#include "svg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "grid.h"
#include "tools/lib/text.h"

#define COLUMNS 128
#define ROWS 96
#define CELL 6 /* pixels */
#define MARGIN 16
#define LINE 18 /* of text */

/* XML forbids U+FFFE and U+FFFF, and control characters, even as references. */
static bool is_forbidden(const char *c)
{
	return strncmp(c, "\xef\xbf\xbe", 3) == 0 ||
	       strncmp(c, "\xef\xbf\xbf", 3) == 0;
}

/* The text of an element. */
static void put_text(FILE *to, const char *s)
{
	char *escaped = text_escape(s);

	for (const char *c = escaped; *c; c++) {
		if (is_forbidden(c)) {
			fputs("?", to);
			c += 2;
			continue;
		}
		switch (*c) {
		case '&':
			fputs("&amp;", to);
			break;
		case '<':
			fputs("&lt;", to);
			break;
		case '>':
			fputs("&gt;", to);
			break;
		default:
			putc(*c, to);
			break;
		}
	}
	free(escaped);
}

static void put_title(FILE *to, const struct page_map *m, const char *name,
		      const struct grid *g)
{
	char size[TEXT_SIZE];
	char cell[TEXT_SIZE];

	text_size(size, m->size_bytes);
	text_size(cell, g->cell_bytes);
	fprintf(to, "<text x=\"%d\" y=\"%d\">", MARGIN, MARGIN + 12);
	put_text(to, name);
	fprintf(to, ": %s; a cell is %s</text>\n", size, cell);
}

/* The cells n .. n + count - 1, which are in one row. */
static void put_cells(FILE *to, const struct grid *g, size_t n, size_t count)
{
	const struct kind_style *style = &kind_styles[g->cells[n]];

	fprintf(to,
		"<rect x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%d\" "
		"fill=\"%s\"><title>%s at 0x%" PRIx64 "</title></rect>\n",
		MARGIN + n % g->columns * CELL,
		MARGIN + LINE + n / g->columns * CELL, count * CELL, CELL,
		style->fill, style->name, n * g->cell_bytes);
}

static void put_legend(FILE *to, const struct page_map *m, size_t y)
{
	struct kind_totals totals;
	char size[TEXT_SIZE];

	kind_totals_count(&totals, m);
	for (int k = KINDS - 1; k >= 0; k--) {
		if (totals.pages[k] == 0)
			continue;
		text_size(size, totals.bytes[k]);
		fprintf(to,
			"<rect x=\"%d\" y=\"%zu\" width=\"12\" height=\"12\" "
			"fill=\"%s\"/>\n"
			"<text x=\"%d\" y=\"%zu\">%s: %" PRIu64
			" page%s, %s, %s</text>\n",
			MARGIN, y, kind_styles[k].fill, MARGIN + LINE, y + 11,
			kind_styles[k].name, totals.pages[k],
			totals.pages[k] == 1 ? "" : "s", size,
			kind_styles[k].text);
		y += LINE;
	}
}

int page_map_svg(const struct page_map *m, const char *name, FILE *to)
{
	struct grid g;
	size_t below;
	int err = grid_make(&g, m, COLUMNS, ROWS);

	if (err)
		return err;
	below = MARGIN + LINE + (g.count + COLUMNS - 1) / COLUMNS * CELL + LINE;
	fprintf(to,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
		"height=\"%zu\" font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
		2 * MARGIN + COLUMNS * CELL, below + KINDS * LINE);
	put_title(to, m, name, &g);
	for (size_t n = 0; n < g.count; n += grid_alike(&g, n))
		put_cells(to, &g, n, grid_alike(&g, n));
	put_legend(to, m, below);
	fputs("</svg>\n", to);
	grid_fini(&g);
	return ferror(to) ? -EIO : 0;
}

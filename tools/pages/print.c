/* SPDX-License-Identifier: MIT */
/*
 * Offsets are in hexadecimal, because a row need not begin at a round number of
 * kibibytes.  The map is never higher than the terminal.
 */
#include "print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "grid.h"
#include "tools/lib/text.h"

#define COLUMNS_UNKNOWN 80
#define COLUMNS_LEAST 8 /* of cells, however narrow the terminal */
#define COLUMNS_MOST 1024
#define ROWS_MOST 16
#define ROWS_LEAST 4
#define ROWS_OF_LEGEND 9 /* title and prompt among them */
#define SAMPLE_CELLS 1U	 /* beside its name */

struct screen {
	size_t columns;
	size_t rows; /* of the map, at most */
	bool has_colours;
};

/* A number in the environment; 0: there is none. */
static size_t number_of(const char *name)
{
	const char *text = getenv(name);
	char *end;
	unsigned long n = text ? strtoul(text, &end, 10) : 0;

	return n > 0 && *end == '\0' && n <= COLUMNS_MOST ? n : 0;
}

static struct screen screen_find(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	const bool is_terminal = isatty(STDOUT_FILENO);
	struct winsize size = { 0 };
	struct screen s = { .columns = number_of("COLUMNS"),
			    .rows = ROWS_MOST };

	s.has_colours = is_terminal && !(no_color && *no_color) && term &&
			strcmp(term, "dumb") != 0;
	if (is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
		if (s.columns == 0)
			s.columns = size.ws_col;
		if (size.ws_row > 0 && size.ws_row < ROWS_MOST + ROWS_OF_LEGEND)
			s.rows = size.ws_row > ROWS_LEAST + ROWS_OF_LEGEND ?
					 size.ws_row - ROWS_OF_LEGEND :
					 ROWS_LEAST;
	}
	if (s.columns == 0)
		s.columns = COLUMNS_UNKNOWN;
	return s;
}

/* Digits of an offset. */
static int offset_width(uint64_t size_bytes)
{
	return snprintf(NULL, 0, "%" PRIx64, size_bytes);
}

/* Cells in a row, beside the offset: a multiple of 8. */
static size_t cells_in_row(const struct screen *s, int digits)
{
	const size_t taken = (size_t)digits + sizeof("0x ") - 1;
	size_t left = s->columns > taken ? s->columns - taken : 0;

	left -= left % COLUMNS_LEAST;
	return left ? left : COLUMNS_LEAST;
}

static void print_cells(const struct screen *s, enum page_kind kind, size_t n)
{
	const struct kind_style *style = &kind_styles[kind];

	if (s->has_colours)
		printf("\033[%sm%*s\033[0m", style->ansi, (int)n, "");
	for (; !s->has_colours && n > 0; n--)
		putchar(style->letter);
}

static void print_grid(const struct screen *s, const struct grid *g, int digits)
{
	for (size_t i = 0; i < g->count;) {
		const size_t n = grid_alike(g, i);

		if (i % g->columns == 0)
			printf("0x%0*" PRIx64 " ", digits, i * g->cell_bytes);
		print_cells(s, (enum page_kind)g->cells[i], n);
		i += n;
		if (i % g->columns == 0 || i == g->count)
			putchar('\n');
	}
}

static void print_title(const struct page_map *m, const char *name,
			const struct grid *g)
{
	const uint64_t pages = pages_of(m->size_bytes);
	char *shown = text_escape(name);
	char size[TEXT_SIZE];

	text_size(size, m->size_bytes);
	printf("%s: %s", shown, size);
	free(shown);
	if (pages == 0)
		printf(", no pages\n");
	else if (g->cell_bytes == PAGE_BYTES)
		printf(", %" PRIu64 " page%s; a cell is a page\n", pages,
		       pages == 1 ? "" : "s");
	else
		printf(", %" PRIu64 " pages; a cell is %" PRIu64 " pages\n",
		       pages, g->cell_bytes / PAGE_BYTES);
}

/* A line of the legend; its text is left out where the screen is narrow. */
static void print_totals(const struct screen *s, enum page_kind kind,
			 uint64_t pages, uint64_t bytes)
{
	const struct kind_style *style = &kind_styles[kind];
	char size[TEXT_SIZE];
	char line[96];
	int len;

	text_size(size, bytes);
	len = snprintf(line, sizeof(line), " %-8s %10" PRIu64 " page%s %10s",
		       style->name, pages, pages == 1 ? " " : "s", size);
	print_cells(s, kind, SAMPLE_CELLS);
	fputs(line, stdout);
	if (SAMPLE_CELLS + (size_t)len + 2 + strlen(style->text) <= s->columns)
		printf("  %s", style->text);
	putchar('\n');
}

static void print_legend(const struct screen *s, const struct page_map *m)
{
	struct kind_totals totals;

	kind_totals_count(&totals, m);
	for (int k = KINDS - 1; k >= 0; k--) {
		if (totals.pages[k] == 0 &&
		    !(k == KIND_DIFFERS && m->is_compared))
			continue;
		print_totals(s, (enum page_kind)k, totals.pages[k],
			     totals.bytes[k]);
	}
}

int page_map_print(const struct page_map *m, const char *name)
{
	const struct screen s = screen_find();
	const int digits = offset_width(m->size_bytes);
	struct grid g;
	int err = grid_make(&g, m, cells_in_row(&s, digits), s.rows);

	if (err)
		return err;
	print_title(m, name, &g);
	print_grid(&s, &g, digits);
	print_legend(&s, m);
	grid_fini(&g);
	return 0;
}

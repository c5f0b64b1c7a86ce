/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PAGES_KIND_H
#define MAPFS_TOOLS_PAGES_KIND_H

/*
 * What a page of a map can be, and how that is shown.  The kinds are in order
 * of interest: a cell that has pages of several kinds shows the last of them.
 *
 * Lifetime, errors, locking: constants.
 */
#include "map.h"

enum page_kind {
	KIND_HOLE,
	KIND_BASE,
	KIND_PARENT,
	KIND_SNAPSHOT,
	KIND_PRIVATE,
	KIND_DIFFERS, /* of any source */
	KINDS
};

struct kind_style {
	const char *name; /* also in JSON */
	char letter;	  /* a capital: the store has these pages itself */
	const char *ansi; /* parameters of the escape sequence SGR */
	const char *fill; /* SVG */
	const char *text; /* where such pages are */
};

extern const struct kind_style kind_styles[KINDS];

/* How many bytes and pages of a map are of each kind. */
struct kind_totals {
	uint64_t bytes[KINDS];
	uint64_t pages[KINDS];
};

enum page_kind kind_of_source(enum mapfs_source source);
/* The kind that a cell shows. */
enum page_kind kind_of_run(const struct page_run *run);
/* Each byte counts once by its source; KIND_DIFFERS is counted besides. */
void kind_totals_count(struct kind_totals *out, const struct page_map *m);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_DIFF_PRINT_H
#define MAPFS_TOOLS_DIFF_PRINT_H

/*
 * Entries of a comparison as lines or JSON on stdout.
 *
 * Calling: diff_print_begin(), diff_print() for each, diff_print_end() also
 *          when the comparison failed in between.
 * Errors:  those of stdout are left to ferror().
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/mapfs.h"

enum diff_format {
	DIFF_LETTERS,
	DIFF_STAT,
	DIFF_NAME_ONLY,
	DIFF_PAGES,
	DIFF_JSON,
	DIFF_PATCH, /* diff_patch.h */
};

struct diff_printer {
	enum diff_format format;
	bool is_raw;	 /* -z: names as they are, NUL ends them */
	bool want_pages; /* JSON: with ranges */
	uid_t usual;	 /* owner that is not worth a word */
	uint64_t count;
	uint64_t by_change[256]; /* by letter */
	uint64_t pages;
	uint64_t bytes;
};

void diff_print_begin(struct diff_printer *p);
void diff_print(struct diff_printer *p, const struct mapfs_diff_entry *e);
void diff_print_end(struct diff_printer *p);

#endif

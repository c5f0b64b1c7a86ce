/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_DIFF_PRINT_H
#define MAPFS_TOOLS_DIFF_PRINT_H

/*
 * Entries of a comparison as lines or JSON on stdout.
 *
 * Calling:  diff_print_begin(), diff_print() for each entry, diff_print_end(),
 *           also if the comparison has failed in between.
 * Lifetime: nothing is kept.
 * Errors:   none; the caller checks ferror(stdout).
 * Locking:  none.
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
	DIFF_PATCH, /* printed by patch.h */
};

struct diff_printer {
	enum diff_format format;
	bool is_raw;	 /* -z: names without escapes, each ended by NUL */
	bool want_pages; /* JSON has ranges */
	uid_t owner;	 /* of the store; another owner is noted */
	uint64_t count;
	uint64_t by_change[256]; /* by letter */
	uint64_t pages;
	uint64_t bytes;
};

void diff_print_begin(struct diff_printer *p);
void diff_print(struct diff_printer *p, const struct mapfs_diff_entry *e);
void diff_print_end(struct diff_printer *p);

#endif

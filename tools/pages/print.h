/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PAGES_PRINT_H
#define MAPFS_TOOLS_PAGES_PRINT_H

/*
 * A map on standard output, with a legend: in colours on a terminal, unless
 * NO_COLOR is set or the terminal has none, else in letters.
 *
 * Lifetime: arguments are borrowed until the call returns.
 * Errors:   0 or -ENOMEM; that of writing stays in stdout.
 * Locking:  none.
 */
#include "map.h"

/* `name` is what the user called the file. */
int must_check page_map_print(const struct page_map *m, const char *name);

#endif

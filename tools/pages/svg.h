/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PAGES_SVG_H
#define MAPFS_TOOLS_PAGES_SVG_H

/*
 * A map as a picture, with a legend.
 *
 * Lifetime: arguments are borrowed until the call returns.
 * Errors:   0 or a negative errno.
 * Locking:  none.
 */
#include <stdio.h>

#include "map.h"

int must_check page_map_svg(const struct page_map *m, const char *name,
			    FILE *to);

#endif

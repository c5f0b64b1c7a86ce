/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PAGES_JSON_H
#define MAPFS_TOOLS_PAGES_JSON_H

/*
 * A map as a JSON object on standard output; `mapfs pages --help` documents it.
 *
 * Lifetime: arguments are borrowed until the call returns.
 * Errors:   none; that of writing stays in stdout.
 * Locking:  none.
 */
#include "map.h"

void page_map_json(const struct page_map *m, const char *name);

#endif

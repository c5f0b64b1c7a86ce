/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_VIEWDIR_H
#define MAPFS_TOOLS_LIB_VIEWDIR_H

/*
 * The names of a directory of a view, as a list that stays valid while the
 * directory changes.
 *
 * Lifetime: viewdir_read() fills a list; viewdir_fini() ends it, and accepts a
 *           zeroed one.
 * Errors:   0 or a negative errno; the list is then empty.
 * Locking:  none.
 */
#include "core/mapfs.h"

struct viewdir_name {
	char *name;
	mode_t type; /* S_IFMT bits */
};

struct viewdir {
	struct viewdir_name *names; /* in no order, without "." and ".." */
	size_t count;
	size_t cap;
};

int must_check viewdir_read(struct viewdir *out, struct mapfs_view *view,
			    mapfs_ino dir);
void viewdir_fini(struct viewdir *d);

#endif

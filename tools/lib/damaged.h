/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_DAMAGED_H
#define MAPFS_TOOLS_LIB_DAMAGED_H

/*
 * The damaged pages that a mounted view has met so far, as its daemon tells
 * them.
 *
 * Lifetime: damaged_read() fills an empty list; damaged_fini() ends it.
 * Errors:   0 or a negative errno and a sentence in `why`; the list is then
 *           empty.
 * Locking:  none.
 */
#include "core/mapfs.h"

struct damaged_page {
	char *path;
	char *store;
	uint64_t off_bytes;  /* in the file */
	uint64_t store_page; /* of STORE/pages */
};

struct damaged {
	struct damaged_page *page;
	size_t count;
	size_t cap;
};

/* `fd` is the root of the mount; messages call it `shown`. */
int must_check damaged_read(struct damaged *out, int fd, const char *shown,
			    struct reason *why);
void damaged_fini(struct damaged *d);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_REVERT_LINKS_H
#define MAPFS_CORE_OVERLAY_REVERT_LINKS_H

/*
 * Finds names of files with several names, in a directory of the base and
 * everything below it.
 *
 * Errors:   0 or a negative errno.
 * Locking:  none taken; it may be used under store_lock().
 */
#include "inode.h"

struct revert_links_walk {
	struct overlay *o;
	mapfs_ino ino; /* the directory of the base */
	uint64_t generation;
	const char *path; /* its path in the base */
	/* Called for each name that is no directory's; non-zero stops. */
	int (*fn)(void *arg, mapfs_ino ino, const char *path);
	void *arg;
};

int must_check revert_links_find(const struct revert_links_walk *walk);

#endif

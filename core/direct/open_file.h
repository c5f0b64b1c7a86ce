/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_OPEN_FILE_H
#define MAPFS_CORE_DIRECT_OPEN_FILE_H

/*
 * Opening and releasing files of write mode: the operations of a view.
 *
 * Lifetime: a handle from direct_open_file() to direct_release().
 * Errors, locking: as mapfs.h.
 */
#include "core/view/view.h"

/* *changed: the file is not the version that the kernel was told of last. */
int direct_open_file(struct mapfs_view *v, mapfs_ino ino, int flags,
		     uint64_t *fh, bool *changed);
/* Do writes through the handle go to the end of the file? */
bool direct_only_appends(struct mapfs_view *v, uint64_t fh);
/* Would a read through the handle move the access time of the base? */
bool direct_read_counts(struct mapfs_view *v, uint64_t fh);
void direct_release(struct mapfs_view *v, uint64_t fh);

#endif

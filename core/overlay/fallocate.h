/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_FALLOCATE_H
#define MAPFS_CORE_OVERLAY_FALLOCATE_H

/*
 * The space of a file of a copy view: truncating it, allocating, zeroing and
 * punching ranges of it.
 *
 * Errors:   as core/mapfs.h.
 * Locking:  overlay_add_truncate(): the caller holds the inode's stripe for
 *           writing.
 */
#include "new_pages.h"

/* Sets the size in `a`, and adds what becomes of the pages to the change. */
int must_check overlay_add_truncate(struct new_pages *n, struct record_attr *a,
				    uint64_t size);
int overlay_fallocate(struct mapfs_view *v, struct mapfs_file file, int mode,
		      uint64_t off, uint64_t len);

#endif

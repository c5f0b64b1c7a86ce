/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_ARENA_DATA_H
#define MAPFS_CORE_ARENA_DATA_H

/*
 * The bytes of an arena's pages.  Bytes that are not those that were written
 * are never given to a reader [S3]: a page that has a sum is compared with it
 * when it is read first, and again now and then, since the kernel may have
 * dropped it and read it from the disk once more.
 *
 * Lifetime: as the arena.
 * Errors:   0 or a negative errno.  -EBADMSG: a page does not have the bytes
 *           that were written; also of a write that covers a part of it.  A
 *           write that fails leaves of each page the old bytes, or the new
 *           ones, or bytes that are -EBADMSG.
 * Locking:  takes RANK_LEAF for moments.  The caller keeps a writer of a page
 *           apart from its readers and other writers.
 */
#include "core/lib/types.h"

struct arena;

/* `off` is a byte offset in the arena: page * 4096 + offset in the page. */
int must_check arena_read(struct arena *a, uint64_t off, void *buf, size_t len);
/* Not to pages that are pinned. */
int must_check arena_write(struct arena *a, uint64_t off, const void *buf,
			   size_t len);

#endif

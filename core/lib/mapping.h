/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_MAPPING_H
#define MAPFS_CORE_LIB_MAPPING_H

/*
 * Read-only mapped windows over one file; the only caller of mmap.
 *
 * A file that somebody truncates while it is mapped raises SIGBUS in the
 * middle of a copy.  Copies out of a mapping are guarded: the copy is given
 * up and the call fails with -EIO; the process lives.
 *
 * Windows are mapped when first touched and the least recently used one goes
 * when a mapping holds too many, so any size of file and any number of files
 * stay within vm.max_map_count.
 *
 * Lifetime: mapping_create() to mapping_destroy() (accepts NULL, and no read
 *           may be under way).  `fd` is borrowed for the whole life.
 * Errors:   0 or a negative errno; -EIO: the page is not there (truncated
 *           below us, or the disk failed).
 * Locking:  takes RANK_MAPPING for moments, never while it copies.
 */
#include "types.h"

struct mapping;

/* Installs the process-wide SIGBUS handler; idempotent; call before use. */
int must_check mapping_guard_init(void);

int must_check mapping_create(struct mapping **out, int fd);
void mapping_destroy(struct mapping *m);
/*
 * Copies exactly `len` bytes at `off`.  The caller knows the file's size: what
 * lies in a page beyond its end is -EIO, but the rest of its last page reads
 * as zeros.  After -EIO `buf` may be filled in part.
 */
int must_check mapping_read(struct mapping *m, void *buf, size_t len,
			    uint64_t off);

#endif

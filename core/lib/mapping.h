/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_MAPPING_H
#define MAPFS_CORE_LIB_MAPPING_H

/*
 * Read-only mapped windows of one file; the only caller of mmap.
 *
 * If a file is truncated by another process while it is mapped, a copy out of
 * the mapping raises SIGBUS.  Copies are guarded: the copy is given up, the
 * call fails with -EIO, and the process lives.
 *
 * A window is mapped when it is first read.  If a mapping has too many, the
 * least recently used one is unmapped, so files of any size stay within
 * vm.max_map_count.
 *
 * Lifetime: mapping_create() to mapping_destroy() (accepts NULL, and no read
 *           may be under way).  `fd` is borrowed for the whole life.
 * Errors:   0 or a negative errno; -EIO: the page cannot be read (the
 *           file was truncated, or the disk failed).
 * Locking:  takes RANK_MAPPING for moments; not held while it copies.
 */
#include "types.h"

struct mapping;

/* Installs the SIGBUS handler of the process; to be called before use, and
   as often as one likes. */
int must_check mapping_guard_init(void);

int must_check mapping_create(struct mapping **out, int fd);
void mapping_destroy(struct mapping *m);
/*
 * Copies exactly `len` bytes at `off`.  The caller knows the file's size: a
 * page beyond the end is -EIO, but the rest of the last page reads as zeros.
 * After -EIO `buf` may be filled in part.
 */
int must_check mapping_read(struct mapping *m, void *buf, size_t len,
			    uint64_t off);

#endif

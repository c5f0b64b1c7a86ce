/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_GENERATION_H
#define MAPFS_CORE_BASE_GENERATION_H

/*
 * Is an object of the base the one that an inode stands for?  A file system
 * uses an inode's number again once its object is gone.  A *generation* tells
 * such objects apart: 31 bits, 0 if unknown.  It is made of the birth time,
 * or, where BASE_HANDLES is set, of the file handle.
 *
 * Lifetime: values.
 * Errors:   none.
 * Locking:  none.
 */
#include "core/lib/types.h"

struct base;
struct inode;
struct statx;

/*
 * Of the birth time: differs if the number was used again, unless that was
 * within one tick of the file system's clock.  Stores keep it.
 */
uint64_t base_generation(const struct statx *stx);
/*
 * Of the file handle of the descriptor's object: differs whenever the number
 * was used again.  Where the file system has no such handle it is
 * base_generation().
 */
uint64_t base_generation_of_fd(const struct base *b, int fd,
			       const struct statx *stx);
/* Do number, type and birth time fit the inode? */
bool base_is_of(const struct inode *i, const struct statx *stx);
/*
 * The same as far as a statx can tell: with BASE_HANDLES the generation is
 * not compared, which only a lookup of the name does.
 */
bool base_seems_to_be(const struct base *b, const struct inode *i,
		      const struct statx *stx);

#endif

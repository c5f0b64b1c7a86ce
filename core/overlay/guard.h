/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_GUARD_H
#define MAPFS_CORE_OVERLAY_GUARD_H

/*
 * Base files that other programs can change without moving a time stamp: the
 * signature of such a file would let two versions of it be mixed [S7].
 *
 * Lifetime, locking: as inode.h.
 * Errors:   0 or a negative errno.
 * Invariants: from the first change of a file's bytes in the view on, each
 *           later store into its base file makes the signature differ, or no
 *           byte of the base file shows while a program can store into it.
 */
#include "inode.h"

/*
 * overlay_change_begin() for a change of the bytes of a file that goes on to
 * show others of its base file.  -ETXTBSY: that file can be changed unseen, and
 * it is too large to be copied.
 */
int must_check overlay_data_begin(struct overlay *o, mapfs_ino ino,
				  enum group_space space, struct inode **out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_LIMIT_H
#define MAPFS_CORE_LIB_LIMIT_H

/*
 * The limits of a view and of its store.  The checks of arguments
 * (core/view/view.c), the encoder and the decoder of records, the journal, and
 * the answer to statfs(2) all take them from here, so that no change is
 * accepted that a replay would refuse.
 *
 * Lifetime, errors, locking: constants.
 */
#include <assert.h>
#include <linux/limits.h>
#include <stdint.h>

/*
 * Largest size of a file: the kernel's own limit for FUSE.  A cached write(2)
 * below that limit has succeeded long before its bytes reach the daemon, so a
 * lower limit here would lose them.
 */
#define MAPFS_MAX_SIZE INT64_MAX
/* Pages of such a file; a power of two, 2^51. */
#define MAPFS_MAX_PAGES (((uint64_t)MAPFS_MAX_SIZE >> 12) + 1)

/* Pages of one arena; with the page's offset a byte's place has 64 bits. */
#define MAPFS_APAGE_BITS 44
#define MAPFS_ARENAS 256U /* a store, and those that it is a branch of */

/* Bytes of a name, and of a symbolic link's target. */
#define MAPFS_NAME_MAX NAME_MAX
#define MAPFS_TARGET_MAX (PATH_MAX - 1)
static_assert(MAPFS_NAME_MAX == 255, "FORMAT.md says so");
static_assert(MAPFS_TARGET_MAX == 4095, "what readlink(2) of FUSE can give");

/* The kernel's, see xattr(7): of one name, one value, all names of a file. */
#define MAPFS_XATTR_NAME_MAX XATTR_NAME_MAX
#define MAPFS_XATTR_VALUE_MAX XATTR_SIZE_MAX
#define MAPFS_XATTR_LIST_MAX XATTR_LIST_MAX

/* Names of one inode; the field has 32 bits everywhere. */
#define MAPFS_LINK_MAX UINT32_MAX

/* Nanoseconds of a time are below this. */
#define MAPFS_NSEC_LIMIT 1000000000L

/* Bytes of the records of one group. */
#define GROUP_MAX_BYTES (64U << 20)

/* Bounds of numbers read from disk, so that their sums cannot overflow. */
#define SEGMENT_NUMBER_MAX (UINT64_MAX >> 2)
#define LSN_MAX (UINT64_MAX >> 2)
/* The number of a snapshot is also the offset of a lock; the next must fit. */
#define SNAPSHOT_NUMBER_MAX ((uint64_t)INT64_MAX - 1)
#define SNAPSHOT_MESSAGE_MAX 4096U

#endif

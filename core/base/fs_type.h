/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_FS_TYPE_H
#define MAPFS_CORE_BASE_FS_TYPE_H

/*
 * What is known of a type of file system, by its number in statfs(2).
 *
 * Lifetime, errors, locking: constants.
 */
#include <sys/vfs.h>

#include "core/lib/types.h"

/*
 * Does the kernel describe every object without asking a server or another
 * process?  False for a type that is not known.
 */
bool fs_type_is_local(const struct statfs *fs);
/* Does a file handle hold the inode's number and generation, and no more? */
bool fs_type_has_generations(const struct statfs *fs);
/* Can a directory of another device be part of the same mount? */
bool fs_type_has_subvolumes(const struct statfs *fs);

/*
 * May a store into a shared mapping leave the time stamps of the file alone for
 * good?  Elsewhere the first store into a page moves them after each write-back
 * of the page.
 */
bool fs_type_hides_stores(const struct statfs *fs);
/* Are its files those of other file systems, with pages of their own? */
bool fs_type_is_stacked(const struct statfs *fs);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_FOREIGN_H
#define MAPFS_CORE_BASE_FOREIGN_H

/*
 * Objects below the base that belong to another file system.
 *
 * A directory that another file system is mounted on, and the root of another
 * subvolume, is *foreign*: a view shows it as an empty directory.  A file that
 * another one is mounted on does not show at all.  No request is sent to
 * either, so that a dead server below the base, or this view's own mount
 * there, cannot block the daemon.  A private clone of the base's mount has no
 * mounts in it: there the covered directory shows as it is.
 *
 * Lifetime: values.
 * Errors:   none.
 * Locking:  none.
 */
#include "core/lib/types.h"

struct base;
struct inode;
struct statx;

bool base_is_foreign(const struct base *b, const struct statx *stx);
/*
 * The number under which a view shows a foreign directory, made of its place:
 * its own number belongs to another file system, and may be one of the base's
 * as well.
 */
mapfs_ino base_foreign_ino(const struct inode *dir, const char *name);

#endif

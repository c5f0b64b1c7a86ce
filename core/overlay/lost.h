/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_LOST_H
#define MAPFS_CORE_OVERLAY_LOST_H

/*
 * Objects of the delta that the base lost: another user of the base removed
 * or replaced the object, or a directory on the way to it.
 *
 * A *stand-in* is a directory of the view in the place of a directory that the
 * base lost and the delta never had.  It exists while it leads to an object of
 * the delta.
 *
 * Lifetime: inodes come with a hold, paths are the caller's to free.
 * Errors:   0 or a negative errno.
 * Locking:  takes stripes of inodes; the caller may hold ns_lock.
 */
#include "inode.h"

/* The path in the base of `name` in `dir`. */
int must_check overlay_base_path(struct overlay *o, struct inode *dir,
				 const char *name, char **out);
/*
 * Did the base lose this directory, while the view still shows it?  `err` is
 * the errno by which the base refused to look into the directory.
 */
bool overlay_lost_dir(struct overlay *o, struct inode *dir, int err);
/*
 * The object of the delta whose place in the base is `name` in `dir`, or a
 * stand-in; NULL: neither.  has_dir: the base has a directory of that name, so
 * it needs no stand-in.
 */
int must_check overlay_find_lost(struct overlay *o, struct inode *dir,
				 const char *name, bool has_dir,
				 struct inode **out);
/* Attributes of a stand-in: its owner's alone is what it leads to. */
int must_check overlay_stand_in_attr(struct overlay *o, struct inode *i,
				     struct mapfs_attr *out);
/* Does the file show bytes of its base file? */
bool overlay_needs_base(const struct delta *d);
/* Have bytes or the size of the file been changed, or written again? */
bool overlay_has_own_bytes(const struct delta *d);
int overlay_held(struct mapfs_view *v, mapfs_ino ino, enum mapfs_held *out);

#endif

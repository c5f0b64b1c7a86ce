/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_XATTR_H
#define MAPFS_CORE_OVERLAY_XATTR_H

/*
 * Extended attributes and ACLs of a copy view.  An inode of the base shows the
 * base's until one of them is changed: then all of them are copied into the
 * delta, which owns them from there on.
 *
 * Errors:   as core/mapfs.h; the functions that add records: 0 or a negative
 *           errno.
 * Locking:  overlay_xattr_read(): the inode's stripe, or ns_lock for writing.
 *           Functions that add records: the stripe for writing.  The others
 *           take what they need.
 */
#include "inode.h"

/* As getxattr(2). */
ssize_t must_check overlay_xattr_read(struct overlay *o, struct inode *i,
				      const char *name, void *buf, size_t len);
/* Copies the base's into the delta, unless the delta owns them already. */
int must_check overlay_add_own_xattrs(struct overlay *o, struct inode *i,
				      struct group *g);
/* Removes file capabilities, as the kernel does at a write. */
int must_check overlay_add_drop_caps(struct overlay *o, struct inode *i,
				     struct group *g);
/* The access ACL, if there is one, follows a chmod to `mode`. */
int must_check overlay_add_acl_chmod(struct overlay *o, struct inode *i,
				     struct group *g, mode_t mode);
ssize_t overlay_getxattr(struct mapfs_view *v, mapfs_ino ino, const char *name,
			 void *buf, size_t len);
ssize_t overlay_listxattr(struct mapfs_view *v, mapfs_ino ino, char *buf,
			  size_t len);
int overlay_setxattr(struct mapfs_view *v, mapfs_ino ino,
		     const struct mapfs_setxattr *set);
int overlay_removexattr(struct mapfs_view *v, mapfs_ino ino, const char *name);

#endif

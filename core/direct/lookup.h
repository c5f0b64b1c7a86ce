/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_LOOKUP_H
#define MAPFS_CORE_DIRECT_LOOKUP_H

/*
 * From a name in a directory to an inode, and to an entry for the kernel.
 *
 * Lifetime: an inode comes with a hold that direct_put() ends.  An entry
 *           counts one lookup of the kernel, which direct_forget() takes back.
 * Errors:   0 or a negative errno; -ENOENT: the base has no such name.
 * Locking:  as mapfs.h.
 */
#include "inode.h"

/* The object of this name, and its attributes. */
int must_check direct_see(struct direct *d, struct inode *dir, const char *name,
			  struct statx *stx, struct inode **out);
/* The inode as an entry, counted. */
void direct_fill_entry(struct direct *d, struct inode *i,
		       const struct statx *stx, struct mapfs_entry *out);
/* The object of this name as an entry, counted. */
int must_check direct_enter(struct direct *d, struct inode *dir,
			    const char *name, struct mapfs_entry *out);

int direct_lookup(struct mapfs_view *v, mapfs_ino dir, const char *name,
		  struct mapfs_entry *out);
void direct_forget(struct mapfs_view *v, mapfs_ino ino, uint64_t nlookup);

#endif

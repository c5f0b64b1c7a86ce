/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_LOOKUP_H
#define MAPFS_CORE_OVERLAY_LOOKUP_H

/*
 * What a name in a directory of a copy view means.
 *
 * Lifetime: a found inode comes with a hold; NULL: the name means nothing.
 * Errors:   0, also if the name means nothing, or a negative errno.
 * Locking:  overlay_find(): the caller holds ns_lock.
 *           overlay_find_in_base(): it may hold it.  The others take it.
 */
#include "inode.h"

struct lookup_result {
	struct inode *inode;
	bool in_delta;	/* the delta has a dentry or a whiteout of the name */
	bool over_base; /* the base has this name */
};

int must_check overlay_find(struct overlay *o, struct inode *dir,
			    const char *name, struct lookup_result *out);
/* The same, but takes ns_lock, and holds no lock while it asks the base. */
int must_check overlay_find_unlocked(struct overlay *o, struct inode *dir,
				     const char *name, struct inode **out);
/*
 * What the name means without the dentries and whiteouts of the delta: the
 * base's object, hidden or not, or an object that the base lost (lost.h).
 */
int must_check overlay_find_in_base(struct overlay *o, struct inode *dir,
				    const char *name, struct inode **out);
int overlay_lookup(struct mapfs_view *v, mapfs_ino dir, const char *name,
		   struct mapfs_entry *out);

#endif

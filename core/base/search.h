/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_SEARCH_H
#define MAPFS_CORE_BASE_SEARCH_H

/*
 * The object of the base with a given number, for a file handle (NFS,
 * name_to_handle_at(2)) whose inode the kernel has forgotten.
 *
 * Lifetime: the finder is borrowed for the call.
 * Errors:   0 or a negative errno; on an error *out is not touched.
 * Locking:  RANK_LEAF and RANK_ITABLE for moments.  The caller holds no lock:
 *           a search may walk over the whole base, and calls back.
 */
#include "core/lib/types.h"

struct base;
struct inode;

/*
 * What a search asks of the view.  A hold that a callback gives is ended by
 * put(); none counts as a lookup of the kernel.
 */
struct base_finder {
	void *arg;
	/* A directory of the base below `dir`, whether it shows or is hidden.
	   0 and NULL, or -ENOENT: there is none. */
	int (*enter)(void *arg, struct inode *dir, const char *name,
		     struct inode **out);
	/* What the view shows as `name` in `dir`; -ENOENT: nothing. */
	int (*look)(void *arg, struct inode *dir, const char *name,
		    struct inode **out);
	/* Is the directory certainly part of what the view shows? */
	bool (*shows)(void *arg, struct inode *dir);
	void (*put)(void *arg, struct inode *i);
};

/*
 * The object, with a hold, if it has a name in the base that the view shows.
 * -ESTALE: it has none.  -EAGAIN: that takes a walk over the whole base, and
 * `may_walk` is false.
 */
int must_check base_find(struct base *b, const struct base_finder *f,
			 mapfs_ino ino, bool may_walk, struct inode **out);
/* Ends walks that are under way, and lets no further one begin. */
void base_interrupt(struct base *b);
/* The inode's object was removed: no place is remembered for its number. */
void base_gone(struct base *b, const struct inode *i);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_RESOLVE_H
#define MAPFS_CORE_BASE_RESOLVE_H

/*
 * From an inode to a descriptor of its object in the base.
 *
 *	err = base_hold(b, i, BASE_PATH, &f);
 *	if (err)
 *		return err;
 *	... base_fd_of(f) ...
 *	base_put(b, f);
 *
 * The descriptor comes from the cache, or is opened by the inode's place: a
 * directory above and a name, or the path from the root.  A descriptor opened
 * by name is verified to be the inode's object.
 *
 * Lifetime: a struct base_fd is held from base_hold() to base_put().
 * Errors:   0 or a negative errno.  -ESTALE: the object is not at the inode's
 *           place any more, or another object is there, or there is no
 *           base.
 * Locking:  takes RANK_BASE and RANK_ITABLE for moments; no lock is held
 *           across a system call on the base.
 */
#include "core/lib/types.h"
#include "fd_cache.h"

struct base;
struct inode;

/*
 * BASE_READ: -EINVAL for an object that is neither a file nor a directory,
 * because opening it could have an effect.
 */
int must_check base_hold(struct base *b, struct inode *i, enum base_want want,
			 struct base_fd **out);
/* The descriptor if the cache has it, else NULL; nothing is opened. */
struct base_fd *base_hold_open(struct base *b, const struct inode *i,
			       enum base_want want);
void base_put(struct base *b, struct base_fd *f);
/* Removes the inode's descriptors: it was unlinked, replaced or forgotten. */
void base_uncache(struct base *b, const struct inode *i);
/*
 * Opens the object once more, past the cache, with open(2) `flags` (access
 * mode, O_SYNC, O_DSYNC).  The caller owns *fd.
 */
int must_check base_reopen(struct base *b, struct inode *i, int flags, int *fd);
/*
 * Resolves the inode's path once more, past every open descriptor.  -ESTALE:
 * the object is not at its place any more.
 */
int must_check base_look(struct base *b, struct inode *i);

/*
 * Around a rename, an unlink and the like by this view.  Until the new place
 * is recorded an inode cannot be reached by its place: an open that fails in
 * between is repeated instead of failing with -ESTALE.
 */
void base_move_begin(struct base *b);
void base_move_end(struct base *b);

#endif

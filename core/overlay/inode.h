/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_INODE_H
#define MAPFS_CORE_OVERLAY_INODE_H

/*
 * The floor of copy mode: the view's struct, holds on its inodes, and the
 * steps that every change shares.
 *
 *   1. take the locks and decide
 *   2. bring the inodes concerned into the delta: overlay_copy_up()
 *   3. build a group of records
 *   4. store_apply() the group, which also applies it to the delta
 *
 * Nothing else changes the delta.
 *
 * Lifetime: overlay_get() gives a hold on an inode; overlay_put() ends it.
 * Errors:   0 or a negative errno; -ESTALE: there is no such inode any more.
 * Locking:  a change of names holds ns_lock for writing.  A change of one
 *           inode's data, attributes or extended attributes holds ns_lock for
 *           reading and the inode's stripe for writing, which is what
 *           overlay_change_begin() takes and overlay_change_end() releases.
 *           A reader of an inode's delta holds its stripe.
 */
#include "core/base/base.h"
#include "core/delta/delta.h"
#include "core/store/store.h"
#include "core/view/view.h"
#include "damage_list.h"

struct listings; /* listing.h */

struct overlay {
	struct mapfs_view view;
	struct base *base;     /* fixed while open */
	struct itable *itable; /* fixed while open */
	struct store *store;   /* fixed while open */
	struct delta_set set;
	struct rwlock ns_lock;	   /* RANK_NAMESPACE */
	struct listings *listings; /* has its own lock */
	struct damage_list damage; /* has its own lock */
};

static inline struct overlay *overlay_of(struct mapfs_view *v)
{
	return (struct overlay *)v; /* view is the first member */
}

int must_check overlay_get(struct overlay *o, mapfs_ino ino,
			   struct inode **out);
/*
 * A directory whose names can be changed.  -ENOTDIR; -EXDEV: another file
 * system is mounted there, so the view shows an empty directory.
 */
int must_check overlay_dir_get(struct overlay *o, mapfs_ino ino,
			       struct inode **out);
/*
 * Ends the hold.  An inode without names, holds and lookup counts is removed
 * from the delta.  No lock is held.
 */
void overlay_put(struct overlay *o, struct inode *i);
void overlay_forget(struct mapfs_view *v, mapfs_ino ino, uint64_t nlookup);
int overlay_known_files(struct mapfs_view *v, mapfs_ino **out, size_t *count);
/* Removes inodes that have no name and that no process uses any more. */
int must_check overlay_sweep_orphans(struct overlay *o);

/* Has the inode an object in the base that may show? */
bool overlay_has_base(const struct overlay *o, const struct inode *i);
bool overlay_is_in_delta(struct overlay *o, struct inode *i);
/* The directory above this one; the root is above itself. */
mapfs_ino overlay_parent_ino(struct overlay *o, struct inode *dir);

/* The time of a change. */
struct timespec overlay_now(void);
/* The signature of a base object that looks like this. */
struct record_sig overlay_sig_of(const struct statx *stx);
/* Is this the version of a file that the signature was made of? */
bool overlay_signature_fits(const struct record_sig *sig,
			    const struct statx *stx);
/* The record by which a base object enters the delta, without its text. */
void overlay_inode_record(const struct statx *stx, mapfs_ino ino,
			  mapfs_ino parent, struct record_inode *r);

/*
 * Puts the inode into the delta with the attributes that it has in the base;
 * no page is copied.  `locked`: the caller holds its stripe for writing.
 * `space`: as that of the change for which it is done.
 */
int must_check overlay_copy_up(struct overlay *o, struct inode *i, bool locked,
			       enum group_space space);
/* Gives a hold on the inode, which is in the delta, and locks it. */
int must_check overlay_change_begin(struct overlay *o, mapfs_ino ino,
				    enum group_space space, struct inode **out);
/*
 * The same for a change of bytes, beside which others of the base go on to
 * show.  The kernel may hold bytes of the version that was read first, and
 * write them back: so that version is the one of the signature.
 */
int must_check overlay_bytes_begin(struct overlay *o, mapfs_ino ino,
				   enum group_space space, struct inode **out);
void overlay_change_end(struct overlay *o, struct inode *i);
/*
 * Runs `change`.  If that fails for lack of space and a sync point frees some,
 * runs it once more: `ctx` must say how much the first run has done already.
 * No lock is held.
 */
int must_check overlay_retry_full(struct overlay *o, int (*change)(void *ctx),
				  void *ctx);

#endif

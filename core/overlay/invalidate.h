/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_INVALIDATE_H
#define MAPFS_CORE_OVERLAY_INVALIDATE_H

/*
 * What a kernel that shows the view may believe wrongly after a change that
 * did not come through it: a rollback, a revert, a commit.
 *
 *	under store_lock():  note what differs before the change and after it
 *	                     change
 *	                     invalidation_mark()
 *	no lock held:        invalidation_tell(); the caller invalidates the
 *	                     kernel's caches, then mapfs_invalidated()
 *
 * Between mark and mapfs_invalidated() the kernel may still send dirty pages of
 * before the change, with bytes that no program wrote after it.  Such a write
 * is answered as done and dropped, as if it had arrived just before the change.
 *
 * Lifetime: invalidation_destroy() ends one, and accepts NULL.
 * Errors:   0 or a negative errno.
 * Locking:  as above; overlay_invalidated() holds none.
 */
#include "inode.h"

struct invalidation;

int must_check invalidation_create(struct invalidation **out,
				   struct overlay *o);
void invalidation_destroy(struct invalidation *s);
int must_check invalidation_note_name(struct invalidation *s, mapfs_ino dir,
				      const char *name);
int must_check invalidation_note_inode(struct invalidation *s, mapfs_ino ino,
				       uint16_t type);
/* All names and inodes in which the set differs from the base. */
int must_check invalidation_note_set(struct invalidation *s,
				     struct delta_set *set);
/* From now on cached pages of the noted inodes are dropped. */
void invalidation_mark(struct invalidation *s);
void invalidation_tell(struct invalidation *s, mapfs_invalidation_fn fn,
		       void *arg);
void overlay_invalidated(struct mapfs_view *v, mapfs_ino ino);

#endif

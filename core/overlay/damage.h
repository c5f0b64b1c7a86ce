/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_DAMAGE_H
#define MAPFS_CORE_OVERLAY_DAMAGE_H

/*
 * Pages of files that are not as they were written [S3]: reading them is EIO.
 * Each is logged once, when it is met, and remembered (damage_list.h), so that
 * a person can be told what is damaged.
 *
 * Lifetime: as the view.
 * Errors:   as core/mapfs.h.
 * Locking:  overlay_note_damage(): the inode's stripe is held.  The others
 *           take the locks of a reader, and RANK_LEAF.
 */
#include "core/view/view.h"

struct inode;
struct overlay;
struct pt_run;

/* Some of the first `count` pages of the run could not be verified. */
void overlay_note_damage(struct overlay *o, struct inode *i,
			 const struct pt_run *run, uint64_t count);
/* Logs what was noted; no lock is held. */
void overlay_tell_damage(struct overlay *o);
int overlay_damage(struct mapfs_view *v, mapfs_bad_page_fn fn, void *arg);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_REVERT_TARGET_H
#define MAPFS_CORE_OVERLAY_REVERT_TARGET_H

/*
 * What a path that is to be reverted means: a name in a directory of the view,
 * and the object that the base has, or had, there.
 *
 * Lifetime: all zero but for `o`; revert_target_fini() gives that again.
 * Errors:   0 or a negative errno, perhaps with a sentence in `why`.
 * Locking:  revert_target_find(): ns_lock is held; revert_target_fini(): no
 *           lock is.
 */
#include "core/lib/reason.h"
#include "inode.h"

struct revert_target {
	struct overlay *o; /* borrowed */
	struct inode *dir; /* directory of the path, with a hold */
	char *name;	   /* last name of the path, in dir */
	char *base_path;   /* the same in the base; NULL: not there */
	mapfs_ino base_ino;
	uint64_t base_generation;
	bool base_is_dir;
};

int must_check revert_target_find(struct revert_target *t, const char *path,
				  struct reason *why);
void revert_target_fini(struct revert_target *t);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_PLACES_H
#define MAPFS_CORE_BASE_PLACES_H

/*
 * In which base directory an inode was last seen, for inodes that nothing
 * counts any more.  A file handle (name_to_handle_at(2), NFS) names an inode
 * by its number alone, long after the kernel has forgotten it.
 *
 * A view whose file handles are not used never walks over its base, and pays
 * nothing: notes before the first walk are dropped.  After that an entry takes
 * 24 bytes of a table that is between three and six eighths full.
 *
 * Entries are hints: the directory is asked before one is believed.  A walk
 * over the base replaces all of them; notes made while it is under way are
 * added to the old table and to the new one.
 *
 * Lifetime: places_create() .. places_destroy() (accepts NULL).
 * Errors:   0 or -ENOMEM; without memory a note is lost, and the table is
 *           partial (places_are_whole()).
 * Locking:  RANK_LEAF, taken by every call.
 */
#include "core/lib/types.h"

struct places;

struct place {
	mapfs_ino ino;
	mapfs_ino dir;
	uint64_t cookie; /* the inode's name is the next one of a listing of
			    `dir` behind this; 0: unknown, or the first */
};

int must_check places_create(struct places **out);
void places_destroy(struct places *p);
bool places_get(struct places *p, mapfs_ino ino, struct place *out);
/* A cookie of 0 does not replace the known one of the same directory. */
void places_note(struct places *p, const struct place *place);
/* The inode is gone from the file system. */
void places_forget(struct places *p, mapfs_ino ino);

/* Before and after a walk; only one is under way at a time. */
void places_walk_begin(struct places *p);
/* `complete`: the walk listed every directory. */
void places_walk_end(struct places *p, bool complete);
/* A directory was moved: a walk under way may miss the names in it. */
void places_disturb(struct places *p);
/*
 * Does every inode have an entry that had a name when the last walk began, or
 * that left the table of inodes since?
 */
bool places_are_whole(struct places *p);

#endif

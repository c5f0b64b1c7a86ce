/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_PLACES_H
#define MAPFS_CORE_BASE_PLACES_H

/*
 * In which base directory an inode was last seen, for inodes that nobody
 * counts any more.  A file handle (name_to_handle_at(2), NFS) names an inode
 * by its number alone, long after the kernel forgot it.
 *
 * A view whose handles nobody uses never walks, and pays nothing: what is
 * noted before the first walk is dropped.  From then on an entry takes 24
 * bytes of a table that is between three and six eighths full.
 *
 * Entries are hints: the directory is asked before one is believed.  A walk
 * over the base replaces them all; what is noted while it is under way counts
 * for both the old table and the new one.
 *
 * Lifetime: places_create() .. places_destroy() (accepts NULL).
 * Errors:   0 or -ENOMEM; a note that finds no memory makes the table partial.
 * Locking:  RANK_LEAF, taken by every call.
 */
#include "core/lib/types.h"

struct places;

struct place {
	mapfs_ino ino;
	mapfs_ino dir;
	uint64_t cookie; /* a listing of `dir` goes on with the inode's name
			    behind this; 0: unknown, or the first name */
};

int must_check places_create(struct places **out);
void places_destroy(struct places *p);
bool places_get(struct places *p, mapfs_ino ino, struct place *out);
/* A cookie of 0 leaves the one that is known for the same directory. */
void places_note(struct places *p, const struct place *place);
/* The inode is gone from the file system. */
void places_forget(struct places *p, mapfs_ino ino);

/* Around a walk; one at a time. */
void places_walk_begin(struct places *p);
/* `complete`: every directory was listed. */
void places_walk_end(struct places *p, bool complete);
/* A directory was moved: a walk under way may have missed what is in it. */
void places_disturb(struct places *p);
/*
 * Has every inode an entry that had a name when the last walk began, or that
 * was forgotten since?
 */
bool places_are_whole(struct places *p);

#endif

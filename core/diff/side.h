/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIFF_SIDE_H
#define MAPFS_CORE_DIFF_SIDE_H

/*
 * One of the two trees that are compared: the old or the new side.  A side is
 * the base, or the base and the delta of a view, which is copied here.
 *
 * Lifetime: a zeroed struct diff_side is the base; side_load() to
 *           side_unload(), which also ends a load that failed.
 * Errors:   0 or a negative errno; -EUCLEAN: the delta contradicts itself.
 * Locking:  side_load() copies one moment (core/delta/moment.h), and no change
 *           waits for it.  The copy needs no lock; pages and xattrs are read
 *           through the overlay, which takes its own.
 * Invariants: an id names the same object on both sides; 0 names none.
 */
#include "core/lib/pool.h"
#include "core/lib/table.h"
#include "core/overlay/inode.h"

enum side {
	OLD,
	NEW
};
#define SIDES 2

/* A name in the delta of one side. */
struct side_dentry {
	struct table_link link;
	struct side_dentry *next_in_dir;
	struct side_dentry *next_of_object;
	mapfs_ino id;  /* 0: whiteout */
	mapfs_ino dir; /* the key: this and the name */
	uint32_t name_bytes;
	uint16_t type;
	bool over_base;
	char name[];
};

/* An inode in the delta of one side, as it was when that was copied. */
struct side_inode {
	struct table_link link;	 /* by id */
	struct table_link place; /* by base_path, if it was not removed */
	struct side_inode *next; /* of all */
	mapfs_ino id;		 /* the key */
	struct inode *inode;	 /* with a hold */
	struct record_attr attr;
	uint64_t rdev;
	struct timespec btime;
	char *base_path; /* NULL: a new inode */
	bool owns_xattrs;
	struct side_dentry *dentries; /* in it, if it is a directory */
	struct side_dentry *names;    /* that mean it */
};

struct diff_side {
	struct overlay *o; /* borrowed; NULL: the side is the base itself */
	struct side_inode *all;
	struct table inodes;
	struct table places;
	struct table dentries;
};

/*
 * Copies the delta of `o`; NULL: there is none.  `old` is the side that was
 * loaded before, with which ids must agree, or NULL.  The copy is in `mem`,
 * which outlives the side.
 */
int must_check side_load(struct diff_side *side, struct overlay *o,
			 const struct diff_side *old, struct pool *mem);
struct side_inode *side_inode(const struct diff_side *side, mapfs_ino id);
/* The changed inode whose path in the base this is; or NULL. */
struct side_inode *side_place(const struct diff_side *side, const char *path);
struct side_dentry *side_dentry(const struct diff_side *side, mapfs_ino dir,
				const char *name, size_t name_bytes);
void side_unload(struct diff_side *side);

#endif

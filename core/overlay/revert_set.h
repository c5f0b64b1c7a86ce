/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_REVERT_SET_H
#define MAPFS_CORE_OVERLAY_REVERT_SET_H

/*
 * What a revert has decided: what is to happen to which inode, and which names
 * leave the delta.
 *
 * Lifetime: revert_set_fini() ends it; all zero but for `o` is an empty set.
 *           Dentries are borrowed from the live delta, which does not change
 *           meanwhile.
 * Errors:   0 or a negative errno.
 * Locking:  store_lock() is held.
 */
#include "core/lib/uthash_safe.h"
#include "inode.h"

enum revert_action {
	REVERT_REMOVE,	  /* made in the view: removed with its last name */
	REVERT_TO_BASE,	  /* is again what the base has */
	REVERT_MOVE_BACK, /* of the base, moved in from elsewhere: back there */
	REVERT_ADJUST,	  /* stays; its links or times change */
};

struct revert_inode {
	UT_hash_handle hh;	/* by ino */
	UT_hash_handle by_path; /* by base_path, if it has one */
	UT_hash_handle by_sum;	/* REVERT_TO_BASE, no directory */
	mapfs_ino ino;
	enum revert_action action;
	bool was_hidden;  /* the view hid a name that it has in the base */
	int links;	  /* change of its link count */
	mapfs_ino parent; /* REVERT_MOVE_BACK: directory of its place, or 0 */
	char *base_path;  /* of REVERT_TO_BASE and REVERT_MOVE_BACK */
	uint64_t sum;	  /* of its signature: by_sum */
	/* REVERT_TO_BASE: names that the view gave it, and that stay. */
	unsigned int names_added;
	/* ... and names that it has in the base, and that stay hidden. */
	unsigned int names_hidden;
	/* It had lost all its names, so the delta does not have it. */
	struct statx *removed;
};

struct revert_name {
	UT_hash_handle hh;
	const struct dentry *dentry;
	bool stays_hidden; /* the name of the base that it covered */
};

struct revert_set {
	struct overlay *o;
	struct revert_inode *inodes;
	struct revert_inode *paths;
	struct revert_inode *sums;
	struct revert_name *names; /* dentries that leave the delta */
	uint64_t hidden_count;	   /* of inodes with was_hidden */
};

void revert_set_fini(struct revert_set *s);

/* Adds an inode that the set does not have; `out` may be NULL. */
int must_check revert_set_add(struct revert_set *s, mapfs_ino ino,
			      enum revert_action action,
			      struct revert_inode **out);
/* The path of the inode's object in the base; takes the memory of it. */
int must_check revert_set_path(struct revert_set *s, struct revert_inode *one,
			       char *path);
/* The sum by which names that hide the inode's object remember it. */
int must_check revert_set_sum(struct revert_set *s, struct revert_inode *one,
			      uint64_t sum);
/* Adds a name that leaves the delta, unless the set has it. */
int must_check revert_set_add_name(struct revert_set *s,
				   const struct dentry *d);

/* Of inodes and names. */
uint64_t revert_set_count(const struct revert_set *s);
/* NULL: the set has none. */
struct revert_inode *revert_set_find(const struct revert_set *s, mapfs_ino ino);
struct revert_inode *revert_set_by_path(const struct revert_set *s,
					const char *path);
struct revert_inode *revert_set_by_sum(const struct revert_set *s,
				       uint64_t sum);
struct revert_name *revert_set_find_name(const struct revert_set *s,
					 const struct dentry *d);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_REVERT_H
#define MAPFS_CORE_OVERLAY_REVERT_H

/*
 * What a revert has decided, for the file that carries it out.
 *
 * Lifetime: fates_fini() ends it; the dentries named in it are borrowed from
 *           the live namespace, which does not change meanwhile.
 * Errors:   0 or a negative errno.
 * Locking:  store_lock() is held from the decision to the replacement.
 */
#include "overlay_priv.h"

enum fate {
	FATE_NEW,    /* made in the view: goes with its last name */
	FATE_BASE,   /* is what the base says again */
	FATE_RETURN, /* was moved in from elsewhere: back to its place */
	FATE_STAY,   /* only its links or times change */
};

struct fate_of {
	UT_hash_handle hh;	/* by ino */
	UT_hash_handle by_path; /* by base_path, if it has one */
	UT_hash_handle by_sum;	/* FATE_BASE, no directory */
	mapfs_ino ino;
	enum fate fate;
	bool was_hidden;   /* a name it has in the base was taken away */
	int links;	   /* change of its link count */
	mapfs_ino parent;  /* FATE_RETURN: directory of its place, or 0 */
	char *base_path;   /* of FATE_BASE and FATE_RETURN */
	uint64_t sum;	   /* ... of its signature */
	unsigned int stay; /* FATE_BASE: names the view gave it that stay */
	unsigned int away; /* ... and that it has in the base, but not here */
	struct statx *removed; /* it had no name left, so no delta either */
};

struct lost_name {
	UT_hash_handle hh;
	const struct dentry *dentry;
	bool stays_hidden; /* the name of the base that it covered */
};

struct fates {
	struct overlay *o;
	struct fate_of *all;
	struct fate_of *paths;
	struct fate_of *sums;
	struct lost_name *lost; /* dentries that leave the delta */
};

struct fate_of *fates_find(const struct fates *f, mapfs_ino ino);
struct lost_name *fates_lost(const struct fates *f, const struct dentry *d);
bool fates_is_lost(const struct fates *f, const struct dentry *d);
/* Calls back for each name below a directory of the base that is no
 * directory; non-zero stops. */
typedef int (*fates_name_fn)(void *arg, mapfs_ino ino, const char *path);
int must_check fates_walk_base(struct overlay *o, mapfs_ino ino,
			       uint64_t generation, const char *path,
			       fates_name_fn fn, void *arg);
/* The delta as it will be, in an empty set without an arena. */
int must_check fates_apply(const struct fates *f, struct delta_set *state);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_LISTING_H
#define MAPFS_CORE_OVERLAY_LISTING_H

/*
 * The base's names of a directory, numbered.  They do not change while the
 * base does not, so they are read once; a few listings are kept, so that the
 * next READDIR of the same directory does not read the base again.
 *
 * The *slot* of a name is the upper part of the position that the name has in
 * the delta (core/delta/namespace.h): a renamed object is listed in the slot of
 * the base's name that it lost.
 *
 * Lifetime: listing_get() gives a hold that listing_put() ends.  When
 *           listings_destroy(), which accepts NULL, is called, none is left.
 * Errors:   0 or a negative errno.
 * Locking:  takes RANK_LEAF.  A listing does not change after listing_get(),
 *           except for listing_set_none_lost(), which is atomic.
 */
#include "inode.h"

struct listing;

int must_check listings_create(struct listings **out);
void listings_destroy(struct listings *l);

int must_check listing_get(struct overlay *o, struct inode *dir,
			   struct listing **out);
/*
 * `done`: no reader is expected to continue with it, so it is not kept.  (The
 * kernel asks once more after the last name.)
 */
void listing_put(struct listings *all, struct listing *l, bool done);

mapfs_ino listing_dir(const struct listing *l);
size_t listing_count(const struct listing *l);
const char *listing_name(const struct listing *l, size_t n);
mapfs_ino listing_ino(const struct listing *l, size_t n);
uint16_t listing_type(const struct listing *l, size_t n);
/* The position of the n-th name. */
uint64_t listing_position(const struct listing *l, size_t n);
/* The first name in the slot of `position`, or the count. */
size_t listing_find(const struct listing *l, uint64_t position);
/*
 * Of the delta's names, in this version of them, none is in a slot that the
 * listing does not have.
 */
bool listing_none_lost(const struct listing *l, uint64_t version);
void listing_set_none_lost(struct listing *l, uint64_t version);

/* The base's names; none if the base lost the directory. */
int must_check listing_iterate_base(struct overlay *o, struct inode *dir,
				    base_dirent_fn fn, void *arg);

/* Names of a directory of the base that lead to objects of the delta. */
struct changed_names {
	char *path;  /* of the directory, in the base */
	char **name; /* sorted */
	size_t count;
};

int must_check changed_names_init(struct changed_names *c, struct overlay *o,
				  struct inode *dir);
void changed_names_fini(struct changed_names *c);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIFF_OBJECT_H
#define MAPFS_CORE_DIFF_OBJECT_H

/*
 * One object of a side: from its delta, or else from the base.
 *
 * Lifetime: object_init() to object_fini(); a zeroed struct is nothing, and
 *           may be ended too.
 * Errors:   0, a length, or a negative errno.
 * Locking:  none held; reading takes the overlay's locks.
 */
#include "name.h"

struct diff_object {
	struct overlay *o;	    /* whose delta has it; or NULL: the base */
	struct side_inode *changed; /* or NULL: as in the base */
	struct inode *inode; /* with a hold if `held`; NULL: unreachable, and
				then content and attributes cannot be read */
	bool held;
	mapfs_ino id;
	uint64_t rdev;
	struct mapfs_diff_side shown;
};

/*
 * Which object: its number; and for an object that the delta does not have,
 * its name in the base, in the directory as side `where` has it.
 */
struct object_of_name {
	const struct diff_name *name;
	enum side where;
	mapfs_ino id;
};

int must_check object_init(struct differ *d, enum side s,
			   const struct object_of_name *which,
			   struct diff_object *out);
/* The objects of both sides, or nothing, as an entry shows them. */
void objects_show(struct differ *d, const struct diff_object *a,
		  const struct diff_object *b,
		  struct mapfs_diff_side out[SIDES]);
/* As getxattr(2), listxattr(2), readlink(2) and pread(2). */
ssize_t must_check object_getxattr(struct differ *d,
				   const struct diff_object *o,
				   const char *name, void *buf, size_t len);
ssize_t must_check object_listxattr(struct differ *d,
				    const struct diff_object *o, char *buf,
				    size_t len);
ssize_t must_check object_readlink(struct differ *d,
				   const struct diff_object *o, char *buf,
				   size_t len);
ssize_t must_check object_read(struct differ *d, const struct diff_object *o,
			       void *buf, size_t len, uint64_t off);
/* The first data at or after `off`; UINT64_MAX: there is none. */
int must_check object_seek_data(struct differ *d, const struct diff_object *o,
				uint64_t off, uint64_t *out);
void object_fini(struct differ *d, struct diff_object *o);

#endif

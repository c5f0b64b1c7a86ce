/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_OPS_SETID_H
#define MAPFS_FS_OPS_SETID_H

/*
 * Set-id bits that a change of a file's data takes away: inode(7), and the
 * kernel's setattr_should_drop_suidgid().
 *
 *   setid_begin()   takes them away, if the caller may not keep them
 *   ...             the change
 *   setid_end()     tells the kernel, which goes on to believe in them
 *   reply
 *
 * Lifetime: between begin and end `s` borrows the request's mount.  After an
 *           error of setid_begin() there is no end.
 * Errors:   0 or a negative errno.
 * Locking:  called by the request's own thread, which holds none.
 */
#include <fuse_lowlevel.h>

#include "core/mapfs.h"

struct mount;

/* What the request says of CAP_FSETID, with which one keeps the bits. */
enum setid_caller {
	SETID_CALLER_HAS_IT,
	SETID_CALLER_LACKS_IT,
	SETID_CALLER_UNKNOWN,
};

struct setid {
	struct mount *m;
	fuse_ino_t node;
	bool is_dropped; /* and the kernel does not know */
};

int must_check setid_begin(struct setid *s, fuse_req_t req, fuse_ino_t node,
			   uint64_t fh, enum setid_caller caller);
int must_check setid_end(const struct setid *s);

/*
 * A set-gid bit that does nothing for who runs the file, as its group may
 * not: whoever is in the group keeps it, too.
 */
bool setid_may_keep_group_bit(fuse_req_t req, const struct mapfs_attr *attr);
/* Whether a write to the base alone drops them: our own rights are too few. */
bool setid_base_drops(const struct mount *m);

#endif

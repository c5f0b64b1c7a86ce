/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_OPS_SETID_H
#define MAPFS_FS_OPS_SETID_H

/*
 * The set-id bits of a file, which a change of its data clears: inode(7), and
 * the kernel's setattr_should_drop_suidgid().
 *
 *   setid_begin()   clears them, unless the user may keep them
 *   ...             the change
 *   setid_end()     tells the kernel that they are cleared
 *   reply
 *
 * Lifetime: `s` borrows the request's mount from begin to end.  If
 *           setid_begin() fails, there is no setid_end().
 * Errors:   0 or a negative errno.
 * Locking:  called by the worker thread of the request, which holds no lock.
 */
#include <fuse_lowlevel.h>

#include "core/mapfs.h"

struct mount;

/*
 * What the request says about CAP_FSETID of its sender.  With that capability
 * the bits are kept.
 */
enum setid_caller {
	SETID_CALLER_HAS_IT,
	SETID_CALLER_LACKS_IT,
	SETID_CALLER_UNKNOWN,
};

struct setid {
	struct mount *m;
	fuse_ino_t node;
	bool is_cleared; /* and the kernel must be told */
};

int must_check setid_begin(struct setid *s, fuse_req_t req, fuse_ino_t node,
			   uint64_t fh, enum setid_caller caller);
int must_check setid_end(const struct setid *s);

/*
 * May the sender keep the set-gid bit of a file that its group may not execute?
 * Yes with CAP_FSETID, and as a member of the group.
 */
bool setid_may_keep_group_bit(fuse_req_t req, const struct mapfs_attr *attr);
/*
 * Does the kernel clear the bits when the daemon writes to the base?  Yes in
 * write mode, if the daemon has no CAP_FSETID.
 */
bool setid_base_drops(const struct mount *m);

#endif

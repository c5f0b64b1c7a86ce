/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_WRITER_H
#define MAPFS_CORE_OVERLAY_WRITER_H

/*
 * Programs that can change the base file of a changed file unseen [S7]; for
 * those who read it.  guard.h has what is done at the first change.
 *
 * Lifetime: nothing is kept.
 * Errors:   0 or a negative errno.
 * Locking:  the caller holds the inode's stripe.
 */
#include "inode.h"

/*
 * From now on each store of others into the base file moves a time stamp, if its
 * file system has that.  Costs a system call or two at the first call.
 */
int must_check overlay_guard(struct overlay *o, struct inode *i);
/*
 * May bytes of the base file be shown beside those of the delta?  -EIO: a
 * program can change the file unseen.  The signature is the caller's to check.
 */
int must_check overlay_check_writer(struct overlay *o, struct inode *i);

#endif

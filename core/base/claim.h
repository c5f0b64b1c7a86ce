/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_CLAIM_H
#define MAPFS_CORE_BASE_CLAIM_H

/*
 * Which images views use.  A view in write mode or copy mode holds a lock on one
 * byte of the image (an open file description lock, fcntl(2), far behind every
 * end that an image has), and another view finds it: there is one in write mode,
 * or any number in copy mode.  A lock ends with its process, so none is ever
 * left behind.
 *
 * Lifetime: a claim is held until base_close().
 * Errors:   0 or a negative errno; -EBUSY: a view in write mode uses the file,
 *           -ETXTBSY: one in copy mode.  Where the file system has no locks
 *           nothing is found.
 * Locking:  none; called while the view is being opened.
 */
#include "core/lib/types.h"

struct base;
struct inode;

enum claim {
	CLAIM_WRITE, /* alone */
	CLAIM_COPY,  /* with others of its kind */
};

int must_check base_claim(struct base *b, struct inode *i, enum claim what);

#endif

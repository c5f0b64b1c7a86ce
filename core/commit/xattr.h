/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_XATTR_H
#define MAPFS_CORE_COMMIT_XATTR_H

/*
 * The extended attributes of an object of the base, read and written as a
 * set.
 *
 * Lifetime: what is read belongs to the plan_state.
 * Errors:   0 or a negative errno.
 * Locking:  none.
 */
#include "plan.h"

/* Adds all of them to *s; `fd` may be an O_PATH descriptor. */
int must_check xattrs_read(int fd, struct plan_state *s);
/*
 * Makes them those of *s.  A label that the kernel gives by itself, and that
 * cannot be removed, may stay.
 */
int must_check xattrs_write(int fd, const struct plan_state *s);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_BENEATH_H
#define MAPFS_CORE_LIB_BENEATH_H

/*
 * Opening a path that cannot lead out of its directory [S2]: the only caller
 * of openat2(2).  No symbolic link is followed, not even the last component,
 * and neither ".." nor a leading slash leads above `dirfd`.
 *
 * `flags` are those of openat(2); O_CLOEXEC and O_NOFOLLOW are added.  With
 * O_CREAT the file has mode 0600.  O_NOATIME is a wish: it is dropped where
 * the kernel refuses it, because the caller does not own the file.
 *
 * Lifetime: the descriptor belongs to the caller, who closes it.
 * Errors:   0 or a negative errno; -EXDEV for a path that leads out, -ELOOP
 *           for a symbolic link on the way.  Neither -EINTR nor -EAGAIN, which
 *           means that a rename came in between: the call is repeated.
 * Locking:  none.
 */
#include "types.h"

/* A mount point on the way, or at the end, is -EXDEV. */
int must_check beneath_open(int dirfd, const char *path, int flags, int *fd);
/* Mount points are crossed. */
int must_check beneath_open_across_mounts(int dirfd, const char *path,
					  int flags, int *fd);

#endif

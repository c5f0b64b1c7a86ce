/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_ATTR_H
#define MAPFS_CORE_DIRECT_ATTR_H

/*
 * Attributes of base objects: asking for them and setting them.
 *
 * Lifetime: values.
 * Errors, locking: as mapfs.h.
 */
#include "inode.h"

#define DIRECT_STAT_MASK (STATX_BASIC_STATS | STATX_BTIME)

/* fchmod(2) for any kind of descriptor. */
int must_check direct_chmod(const struct direct_fd *f, mode_t mode);

int direct_getattr(struct mapfs_view *v, struct mapfs_file file,
		   struct mapfs_attr *out);
/* The same, but the change cookie stays: the kernel is told nothing. */
int direct_peek_attr(struct mapfs_view *v, struct mapfs_file file,
		     struct mapfs_attr *out);
int direct_setattr(struct mapfs_view *v, struct mapfs_file file,
		   const struct mapfs_setattr *set, struct mapfs_attr *out);

#endif

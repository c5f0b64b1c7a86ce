/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_CREATE_H
#define MAPFS_CORE_DIRECT_CREATE_H

/*
 * New objects in the base, given to the caller that asked for them.
 *
 * Lifetime: an entry counts one lookup of the kernel; *fh is a handle until
 *           direct_release().
 * Errors:   as mapfs.h; -ESTALE from direct_create(): another process has
 *           created the name, and the kernel shall look it up.
 * Locking:  as mapfs.h.
 */
#include "inode.h"

int direct_mknod(struct mapfs_view *v, const struct mapfs_new *new,
		 struct mapfs_entry *out);
int direct_mkdir(struct mapfs_view *v, const struct mapfs_new *new,
		 struct mapfs_entry *out);
int direct_symlink(struct mapfs_view *v, const struct mapfs_new *new,
		   const char *target, struct mapfs_entry *out);
int direct_create(struct mapfs_view *v, const struct mapfs_new *new, int flags,
		  struct mapfs_entry *out, uint64_t *fh);
int direct_tmpfile(struct mapfs_view *v, const struct mapfs_new *new,
		   struct mapfs_entry *out);
/*
 * Gives the whiteout that a rename left at `name` to the caller, if that is
 * allowed.
 */
void direct_give_whiteout(struct direct *d, const struct mapfs_cred *cred,
			  int dirfd, const char *name);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_OWNER_H
#define MAPFS_CORE_LIB_OWNER_H

/*
 * Which users could have written a file, and who owns a new one.
 *
 * A file is *ours* if it belongs to the effective user, or to root, and no
 * other user may write to it.  A file that root makes in a store belongs to
 * the store's owner, who can then use the store without root.
 *
 * Lifetime: descriptors are borrowed; those that are opened are the caller's.
 * Errors:   0 or a negative errno.  -EPERM of owner_check(): the file is not
 *           ours, and the finding says why; else the finding is not touched.
 * Locking:  none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "types.h"

/* Why a file is not ours. */
struct owner_finding {
	uid_t uid;	/* it belongs to this user */
	bool is_shared; /* that is us or root, but others may write to it */
};

/* `fd` may be one opened with O_PATH. */
int must_check owner_check(int fd, struct owner_finding *why);
/*
 * For root, before it writes to `fd`, opened in the store's directory `dirfd`:
 * -EPERM if the store's owner could have made the name lead to a file of
 * another user.
 */
int must_check owner_check_target(int dirfd, int fd);
/*
 * An empty file of this name, in place of an old one; -ELOOP for a symbolic
 * link.  `flags` as open(2), without those that create.
 */
int must_check owner_create_file(int dirfd, const char *name, int flags,
				 int *fd);
/* The file of this name; with O_CREAT it is made if there is none. */
int must_check owner_open_file(int dirfd, const char *name, int flags, int *fd);
/* -EEXIST: the name is taken. */
int must_check owner_create_dir(int dirfd, const char *name);
/* "alice", or a number. */
#define OWNER_NAME_BYTES 64
void owner_name(uid_t uid, char out[OWNER_NAME_BYTES]);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_OWNER_H
#define MAPFS_CORE_LIB_OWNER_H

/*
 * Who could have written a file, and to whom a new one belongs.
 *
 * A file is ours if it belongs to the effective user, or to root, and nobody
 * else may write to it.  A new file belongs to whom the directory belongs in
 * which root makes it, so that its owner can go on without root.
 *
 * Lifetime: descriptors are borrowed; those that are opened are the caller's.
 * Errors:   0 or a negative errno.  -EPERM of owner_check(): not ours, and
 *           the finding says why; otherwise the finding is untouched.
 * Locking:  none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "types.h"

/* Why something is not ours. */
struct owner_finding {
	uid_t uid;	/* it belongs to this user */
	bool is_shared; /* it is ours, but others may write to it */
};

/* `fd` may be one opened with O_PATH. */
int must_check owner_check(int fd, struct owner_finding *why);
/*
 * A file of a store in `dirfd`, opened for writing: refuses (-EPERM) what the
 * store's owner could have made lead to a file of somebody else.
 */
int must_check owner_check_target(int dirfd, int fd);
/*
 * An empty file under this name, whatever had it before; `flags` as open(2),
 * without those that create.
 */
int must_check owner_create_file(int dirfd, const char *name, int flags,
				 int *fd);
/* The file of this name; with O_CREAT made if there is none. */
int must_check owner_open_file(int dirfd, const char *name, int flags, int *fd);
/* -EEXIST: there is something of that name. */
int must_check owner_create_dir(int dirfd, const char *name);
/* "alice", or a number. */
#define OWNER_NAME_BYTES 64
void owner_name(uid_t uid, char out[OWNER_NAME_BYTES]);

#endif

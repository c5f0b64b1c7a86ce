/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_MOUNTS_H
#define MAPFS_TOOLS_LIB_MOUNTS_H

/*
 * The mounts of this process's namespace, and what a mapfs mount says of
 * itself.
 *
 * Lifetime: mounts_read() gives the table; rows live as long as it;
 *           mounts_free() accepts NULL.
 * Errors:   0 or a negative errno.
 * Locking:  one thread.
 */
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/mapfs.h"
#include "fs/control/protocol.h"

struct mounts;

struct mount_row {
	const char *target;
	const char *source;
	const char *type;
	dev_t dev;
	int id;
	int parent_id;
};

int must_check mounts_read(struct mounts **out);
void mounts_free(struct mounts *table);
/* The next row; after mounts_rewind() the first one.  False: no more. */
bool mounts_next(struct mounts *table, struct mount_row *out);
void mounts_rewind(struct mounts *table);
/* The mount that a path walk to `target` ends at; `target` is its root. */
bool mounts_find(struct mounts *table, const char *target,
		 struct mount_row *out);
/* Is it a mount of mapfs, of any user? */
bool mounts_is_mapfs(const struct mount_row *row);
/* A process in whose mount namespace a file system is mounted, and where. */
struct mount_seen {
	pid_t pid;
	char target[PATH_MAX];
};
/*
 * Finds a mount of the file system `dev`, in this mount namespace or in
 * another.  Without root only processes of the same user can be asked.
 */
bool mounts_seen(dev_t dev, struct mount_seen *out);
/*
 * Asks the daemon of a mount, in a process of its own, so that a mount that
 * hangs cannot hang this one.  -ENOTCONN, -ECONNABORTED: its daemon is dead;
 * -ETIMEDOUT: it does not answer; -EACCES, -EPERM: another user's mount;
 * -EXDEV: another mount covers it.
 */
int must_check mounts_ask(const struct mount_row *row,
			  struct mapfs_control_info *out);

#endif

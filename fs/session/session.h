/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SESSION_SESSION_H
#define MAPFS_FS_SESSION_SESSION_H

/*
 * The connection to the kernel: what we tell it we can do, how it is
 * mounted, and the threads that serve it.
 *
 * Lifetime: session_mount() creates the session and mounts it; after the
 *           loop has ended session_destroy() drops the connection.
 * Errors:   0 or a negative errno; session_mount() also writes one sentence
 *           for people to `why`.
 * Locking:  session_mount() replaces the process's stderr for a moment.
 */
#include "fs/mount/mount.h"

int must_check session_mount(struct mount *m, struct reason *why);
/*
 * Mounts for another process to serve: *out is the connection, its
 * options.fuse_fd, close-on-exec.
 */
int must_check session_mount_only(const struct fs_options *opt, int *out,
				  struct reason *why);
/* Serves until unmounted or session_stop(). */
int must_check session_run(struct mount *m);
/* From any thread. */
void session_stop(struct mount *m);
void session_destroy(struct mount *m);

#endif

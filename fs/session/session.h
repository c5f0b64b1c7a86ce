/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SESSION_SESSION_H
#define MAPFS_FS_SESSION_SESSION_H

/*
 * The connection to the kernel: which features it uses, how it is mounted, and
 * the threads that serve it.
 *
 *   session_mount()      creates the session and mounts it
 *   session_run()        serves requests until the end
 *   session_destroy()    closes the connection
 *
 * Lifetime: as above; session_stop() may be called between mount and destroy.
 * Errors:   0 or a negative errno; a call that mounts also sets one sentence in
 *           `why`.
 * Locking:  a call that mounts replaces the stderr of the process for a moment,
 *           see mount_error.h.  session_stop() may be called by any thread.
 */
#include "fs/mount/mount.h"

int must_check session_mount(struct mount *m, struct reason *why);
/*
 * Mounts, and leaves serving to another process: *out is the connection, the
 * fuse_fd of that process's options, and is close-on-exec.
 */
int must_check session_mount_only(const struct fs_options *opt, int *out,
				  struct reason *why);
/* Serves until the mount is unmounted, or until session_stop(). */
int must_check session_run(struct mount *m);
void session_stop(struct mount *m);
void session_destroy(struct mount *m);

#endif

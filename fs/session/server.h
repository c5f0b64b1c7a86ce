/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SESSION_SERVER_H
#define MAPFS_FS_SESSION_SERVER_H

/*
 * The daemon: the whole life of one mount.
 *
 * Lifetime: `opt` is borrowed until the calls return.
 * Errors:   0 or a negative errno; before the mount answers, one sentence in
 *           `why`, afterwards a line in the log.
 * Locking:  called while the process has one thread.
 */
#include "fs/mount/options.h"

/*
 * Opens the view, mounts it and serves it until it is unmounted or a signal
 * comes, in this process.  ready_fd >= 0: 'M' is written to it when mounted
 * and 'R' when the mount answers; then standard input and outputs are let go.
 */
int must_check fs_serve(const struct fs_options *opt, int ready_fd,
			struct reason *why);

/* fs_serve() in a process of its own; returns when the mount answers. */
int must_check daemon_start(const struct fs_options *opt, struct reason *why);
/*
 * The same for a mount that is not to outlive the caller: the daemon is the
 * caller's child *out, and gets SIGTERM when the caller dies.
 */
int must_check daemon_start_bound(const struct fs_options *opt, pid_t *out,
				  struct reason *why);

#endif

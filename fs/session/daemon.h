/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SESSION_DAEMON_H
#define MAPFS_FS_SESSION_DAEMON_H

/*
 * Starts the daemon: server_serve() in a process of its own.
 *
 * Lifetime: `opt` is borrowed until the call returns.
 * Errors:   0 once the mount answers, and `why` is empty or has a warning; else
 *           a negative errno and one sentence in `why`, and nothing is mounted,
 *           unless the sentence says so.
 * Locking:  called while the process has one thread.
 */
#include "fs/mount/options.h"

int must_check daemon_start(const struct fs_options *opt, struct reason *why);
/*
 * The same for a mount that must not outlive the caller: the daemon is a child
 * of the caller, with the number *out, and gets SIGTERM when the caller dies.
 */
int must_check daemon_start_bound(const struct fs_options *opt, pid_t *out,
				  struct reason *why);

#endif

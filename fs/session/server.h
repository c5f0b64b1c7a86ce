/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_SESSION_SERVER_H
#define MAPFS_FS_SESSION_SERVER_H

/*
 * The whole life of one mount: opens the view, mounts it, and serves it until
 * it is unmounted or the process receives SIGINT, SIGTERM or SIGHUP.
 *
 * Lifetime: `opt` is borrowed until the call returns.
 * Errors:   0 or a negative errno, and one sentence in `why`; an error after
 *           the mount has answered is a line in the log, too.
 * Locking:  called while the process has one thread; changes its limits, its
 *           umask and its signals.
 */
#include "fs/mount/options.h"

/*
 * ready_fd >= 0 is the pipe to the parent of a daemon: 'M' is written to it
 * when the view is mounted and 'R' when the mount answers.  Then stdin, stdout
 * and stderr are replaced by /dev/null and the log.
 */
int must_check server_serve(const struct fs_options *opt, int ready_fd,
			    struct reason *why);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_MOUNTING_H
#define MAPFS_TOOLS_LIB_MOUNTING_H

/*
 * Mounting, as the subcommands do that mount a view at a place that the user
 * names.
 *
 * Lifetime: nothing is kept.
 * Errors:   0 or a negative errno; a sentence was printed.
 * Locking:  the process has one thread.
 */
#include "fs/mount/options.h"

/*
 * Makes `target` free for a mount (a dead mount of mapfs there is removed), and
 * mounts what options_complete() has accepted.  Returns when the mount answers;
 * with `foreground`, when it has ended.
 */
int must_check mounting_start(struct fs_options *opt, const char *target,
			      bool foreground);

#endif

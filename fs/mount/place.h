/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_MOUNT_PLACE_H
#define MAPFS_FS_MOUNT_PLACE_H

/*
 * The mount point: a directory, or a regular file, on which a view of one file
 * can be mounted.
 *
 * Lifetime: nothing is kept.
 * Errors:   0 or a negative errno; place_check() also sets one sentence.
 * Locking:  none.
 */
#include "options.h"

/* Sets opt->root_is_file, and refuses a mount point that the view cannot have. */
int must_check place_check(struct fs_options *opt, struct reason *why);
/*
 * Makes a mount point of the caller's own in `parent`: a directory, or a file
 * that is called like the base in a directory.  The caller frees *out.
 */
int must_check place_create(const struct fs_options *opt, const char *parent,
			    char **out);
/* Removes what place_create() has made, after the mount has ended. */
int place_remove(const struct fs_options *opt);

#endif

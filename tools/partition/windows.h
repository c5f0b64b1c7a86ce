/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PARTITION_WINDOWS_H
#define MAPFS_TOOLS_PARTITION_WINDOWS_H

/*
 * The partitions of an image as windows of a view whose base is the image.
 *
 * Errors:   0 or a negative errno, and a sentence in `why`.
 * Locking:  none.
 */
#include "fs/mount/options.h"
#include "partition.h"

/* A window for each entry of the table, with the name of partition_file(). */
int must_check windows_add(struct fs_options *opt,
			   const struct partition_table *t, struct reason *why);

#endif

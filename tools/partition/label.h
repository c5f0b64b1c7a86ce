/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PARTITION_LABEL_H
#define MAPFS_TOOLS_PARTITION_LABEL_H

/*
 * The partition table that libfdisk finds if sectors have a certain size.  An
 * image file does not tell the size of its sectors; a GPT is found only with
 * the right one.
 *
 * Errors:   0 or a negative errno, and a sentence in `why`.  An image without
 *           a table is no error, but TABLE_NONE.
 * Locking:  none.
 */
#include "image.h"
#include "partition.h"

/*
 * Fills an empty table: its kind, its partitions in the order of their numbers,
 * and the bytes of its own.  An extended partition is not listed; its logical
 * partitions are.
 */
int must_check label_read(struct partition_table *t, const struct image *im,
			  unsigned int sector_bytes, struct reason *why);

#endif

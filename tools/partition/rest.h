/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PARTITION_REST_H
#define MAPFS_TOOLS_PARTITION_REST_H

/*
 * The bytes of an image that are in no partition: those of the table itself (an
 * MBR, the boot records of logical partitions, both copies of a GPT), and gaps.
 *
 * Errors:   0 or -ENOMEM.
 * Locking:  none.
 */
#include "partition.h"

/*
 * Adds an entry for each run of such bytes, and sorts all entries by their
 * start.  If the partitions do not overlap, each byte of the image is then in
 * exactly one entry.
 */
int must_check rest_add(struct partition_table *t);

#endif

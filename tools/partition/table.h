/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PARTITION_TABLE_H
#define MAPFS_TOOLS_PARTITION_TABLE_H

/*
 * The partition table of a disk image: GPT, MBR with logical partitions, or
 * none.  The image is only read.
 *
 * Lifetime: `out` is memory of the caller, which partition_table_fini() ends;
 *           on an error it is untouched.
 * Errors:   0 or a negative errno, and a sentence in `why`: the path is no
 *           image, or there is nothing in it that can be listed.  A table that
 *           can be listed, but contradicts itself or the image, is no error: it
 *           has a `fault`.
 * Locking:  none.
 */
#include "partition.h"

struct partition_options {
	unsigned int sector_bytes; /* 0: as the table tells */
	bool has_file_systems;	   /* recognize those in the partitions */
	bool has_rest;		   /* list the bytes in no partition, too */
};

/*
 * The partitions in the order of their numbers; with `has_rest` everything in
 * the order of its place.
 */
int must_check partition_table_read(struct partition_table *out,
				    const char *path,
				    const struct partition_options *opt,
				    struct reason *why);
/* May a sector have so many bytes? */
bool partition_sector_is_valid(uint64_t bytes);

#endif

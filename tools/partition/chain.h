/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PARTITION_CHAIN_H
#define MAPFS_TOOLS_PARTITION_CHAIN_H

/*
 * The chain of boot records in an extended partition of an MBR: each describes
 * one logical partition, and leads to the next record.  libfdisk leaves out
 * what is behind a record that is damaged, and does not always tell that.
 *
 * Errors:   none.
 * Locking:  none.
 */
#include "image.h"

/*
 * Can each record be read, up to the end of the chain?  If not, `broken_bytes`
 * is where the damaged one is.
 */
bool chain_is_sound(const struct image *im, uint64_t start_bytes,
		    unsigned int sector_bytes, uint64_t *broken_bytes);

#endif

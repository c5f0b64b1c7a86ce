/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PARTITION_PROBE_H
#define MAPFS_TOOLS_PARTITION_PROBE_H

/*
 * What libblkid recognizes by its signature.
 *
 * Errors:   0 or a negative errno.  Something that is not recognized is no
 *           error.
 * Locking:  none.
 */
#include "image.h"
#include "partition.h"

/*
 * Sets fs, fs_label and fs_uuid of a partition, a gap, or the whole image.  A
 * partition that ends behind the image is judged by the bytes that are there.
 */
int must_check probe_file_system(const struct image *im, struct partition *p);
/*
 * Is the first sector a master boot record?  The boot sectors of FAT and NTFS
 * have the same signature, and code where the table of partitions would be.
 */
int must_check probe_boot_record(const struct image *im, bool *out);

#endif

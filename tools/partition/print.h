/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PARTITION_PRINT_H
#define MAPFS_TOOLS_PARTITION_PRINT_H

/*
 * The list of partitions on standard output.
 *
 * Errors:   0, -ENOMEM, or -EIO: it could not be written.
 * Locking:  none.
 */
#include "partition.h"

/* A table; a column in which no row has anything is left out. */
int must_check print_people(const struct partition_table *t, const char *image);
/* An object, which `mapfs partitions --help` documents. */
int must_check print_json(const struct partition_table *t, const char *image);

#endif

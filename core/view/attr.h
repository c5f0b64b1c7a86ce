/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_VIEW_ATTR_H
#define MAPFS_CORE_VIEW_ATTR_H

/*
 * The attributes of an object of the base, in the form that a view gives.
 *
 * Errors:   none.
 * Locking:  none.
 */
#include <sys/stat.h>

#include "core/mapfs.h"

/* A time of birth that `stx` does not have is "unknown". */
void view_attr_of(const struct statx *stx, mapfs_ino ino,
		  struct mapfs_attr *out);

#endif

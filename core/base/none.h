/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_NONE_H
#define MAPFS_CORE_BASE_NONE_H

/*
 * No base: an empty directory that exists nowhere.  Its attributes are made
 * up; the maker and the time of making stand in for those of an object.
 *
 * Lifetime: values.
 * Errors:   none.
 * Locking:  none.
 */
#include "core/lib/types.h"

struct base_identity;
struct statx;

/* Made now, by the user of this process. */
void none_make(struct base_identity *out);
/* The attributes of the directory that this identifies. */
void none_stat(const struct base_identity *made, struct statx *out);

#endif

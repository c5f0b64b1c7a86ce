/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_LOCATION_H
#define MAPFS_CORE_STORE_LOCATION_H

/*
 * Where a store may be: neither inside its base nor around it, nor inside
 * another store that it is made of.
 *
 * Lifetime: descriptors are borrowed.
 * Errors:   0 or a negative errno and a sentence in `why`; -EINVAL: not there.
 * Locking:  none.
 */
#include "options.h"

/* The directory `fd`, where the store is or will be, is outside the base. */
int must_check location_check_outside(int fd, const struct store_options *opt,
				      struct reason *why);
/* The base is outside the store. */
int must_check location_check_base(int storefd, const struct store_options *opt,
				   struct reason *why);
/* A new store in the directory `fd` is outside the store `from`, at `path`. */
int must_check location_check_apart(int fd, int from, const char *path,
				    const char *name, struct reason *why);

#endif

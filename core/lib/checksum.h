/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_CHECKSUM_H
#define MAPFS_CORE_LIB_CHECKSUM_H

/*
 * XXH3-64 over bytes that live on disk; the only includer of xxhash.h.
 *
 * Lifetime, errors, locking: pure functions.
 */
#include "types.h"

/* `seed` keeps records of one store from vouching for those of another. */
uint64_t checksum64(const void *buf, size_t len, uint64_t seed);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_CHECKSUM_H
#define MAPFS_CORE_LIB_CHECKSUM_H

/*
 * XXH3-64 of bytes that are kept on disk.  Only this file and
 * checksum_avx2.c include xxhash.h.
 *
 * Lifetime, errors, locking: pure functions.
 */
#include "types.h"

/* With a seed per store, the sum of another store's bytes does not fit. */
uint64_t checksum64(const void *buf, size_t len, uint64_t seed);

#endif

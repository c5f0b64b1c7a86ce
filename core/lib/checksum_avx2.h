/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_CHECKSUM_AVX2_H
#define MAPFS_CORE_LIB_CHECKSUM_AVX2_H

/*
 * The same sums as those of checksum.h, computed with instructions that not
 * every x86-64 CPU has: the caller has asked the CPU.
 *
 * Lifetime, errors, locking: pure functions.
 */
#include "types.h"

uint64_t checksum64_avx2(const void *buf, size_t len, uint64_t seed);

#endif

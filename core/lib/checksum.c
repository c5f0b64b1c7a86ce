/* SPDX-License-Identifier: MIT */
/*
 * XXH3 in its header-only form: the compiler can specialise it for short
 * lengths, and no symbol of the library is exported.
 */
#include "checksum.h"

#define XXH_INLINE_ALL
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wcast-align"
#pragma GCC diagnostic ignored "-Wswitch-enum"
#pragma GCC diagnostic ignored "-Wundef"
#include <xxhash.h>
#pragma GCC diagnostic pop

#ifdef MAPFS_HAVE_AVX2
#include "checksum_avx2.h"

#define WIDE_BYTES 4096U /* shorter ones are not worth the question */
#endif

uint64_t checksum64(const void *buf, size_t len, uint64_t seed)
{
#ifdef MAPFS_HAVE_AVX2
	if (len >= WIDE_BYTES && __builtin_cpu_supports("avx2"))
		return checksum64_avx2(buf, len, seed);
#endif
	return XXH3_64bits_withSeed(buf, len, seed);
}

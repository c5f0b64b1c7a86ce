/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_LE_H
#define MAPFS_CORE_LIB_LE_H

/*
 * Little-endian integers as byte arrays: a forgotten conversion is a type
 * error, and alignment is irrelevant.
 *
 * Lifetime, errors, locking: values.
 */
#include <endian.h>
#include <string.h>

#include "types.h"

typedef struct {
	uint8_t b[2];
} le16;
typedef struct {
	uint8_t b[4];
} le32;
typedef struct {
	uint8_t b[8];
} le64;

static inline uint16_t le16_get(le16 v)
{
	uint16_t x;

	memcpy(&x, v.b, sizeof(x));
	return le16toh(x);
}

static inline uint32_t le32_get(le32 v)
{
	uint32_t x;

	memcpy(&x, v.b, sizeof(x));
	return le32toh(x);
}

static inline uint64_t le64_get(le64 v)
{
	uint64_t x;

	memcpy(&x, v.b, sizeof(x));
	return le64toh(x);
}

static inline le16 le16_of(uint16_t x)
{
	le16 v;

	x = htole16(x);
	memcpy(v.b, &x, sizeof(x));
	return v;
}

static inline le32 le32_of(uint32_t x)
{
	le32 v;

	x = htole32(x);
	memcpy(v.b, &x, sizeof(x));
	return v;
}

static inline le64 le64_of(uint64_t x)
{
	le64 v;

	x = htole64(x);
	memcpy(v.b, &x, sizeof(x));
	return v;
}

#endif

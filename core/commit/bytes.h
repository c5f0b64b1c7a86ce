/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_BYTES_H
#define MAPFS_CORE_COMMIT_BYTES_H

/*
 * Encoding numbers as bytes, little-endian, and decoding them again.
 *
 * Lifetime: a zeroed struct bytes is empty; bytes_fini() ends it.  A struct
 *           bytes_reader borrows its buffer.
 * Errors:   sticky, to be looked at once at the end: `failed` (no memory) and
 *           `bad` (the bytes ended too early [S1]; numbers read then are 0).
 * Locking:  none.
 */
#include "core/lib/types.h"

struct bytes {
	uint8_t *buf;
	size_t len_bytes;
	size_t cap_bytes;
	bool failed;
};

/* Appends. */
void bytes_put(struct bytes *b, const void *p, size_t len);
void bytes_put32(struct bytes *b, uint32_t v);
void bytes_put64(struct bytes *b, uint64_t v);
void bytes_fini(struct bytes *b);

struct bytes_reader {
	const uint8_t *at;
	size_t left_bytes;
	bool bad;
};

/* The next `len` bytes, borrowed from the buffer; NULL: `bad` was set. */
const uint8_t *bytes_get(struct bytes_reader *r, size_t len);
uint32_t bytes_get32(struct bytes_reader *r);
uint64_t bytes_get64(struct bytes_reader *r);

#endif

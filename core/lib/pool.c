/* SPDX-License-Identifier: MIT */
/*
 * Chunks of one size, each a mapping of its own, filled one after the other.
 * An object that is larger than a chunk gets a chunk of its own size.
 */
#include "pool.h"

#include <string.h>
#include <sys/mman.h>

#define CHUNK_BYTES (256U << 10)
#define ALIGN 8U

struct pool_chunk {
	struct pool_chunk *older;
	size_t bytes;
};

static bool add_chunk(struct pool *r, size_t bytes)
{
	const size_t whole = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
	struct pool_chunk *c = mmap(NULL, whole, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		return false;
	c->older = r->newest;
	c->bytes = whole;
	r->newest = c;
	r->used_bytes = sizeof(*c);
	return true;
}

void *pool_alloc(struct pool *r, size_t bytes)
{
	char *object;

	if (bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!r->newest || bytes > r->newest->bytes - r->used_bytes)
		if (!add_chunk(r, sizeof(struct pool_chunk) + bytes))
			return NULL;
	object = (char *)r->newest + r->used_bytes;
	r->used_bytes += bytes;
	return object;
}

char *pool_copy(struct pool *r, const char *s, size_t bytes)
{
	char *copy = pool_alloc(r, bytes + 1);

	if (copy)
		memcpy(copy, s, bytes);
	return copy;
}

void pool_fini(struct pool *r)
{
	while (r->newest) {
		struct pool_chunk *c = r->newest;

		r->newest = c->older;
		(void)munmap(c, c->bytes);
	}
	r->used_bytes = 0;
}

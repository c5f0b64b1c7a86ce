/* SPDX-License-Identifier: MIT */
/*
 * A buffer that grows, and a reader that never reads past the end.
 */
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

#include "core/lib/array.h"
#include "core/lib/le.h"

void bytes_put(struct bytes *b, const void *p, size_t len)
{
	if (b->failed || len == 0)
		return;
	if (array_reserve(&b->buf, &b->cap_bytes, b->len_bytes + len)) {
		b->failed = true;
		return;
	}
	memcpy(b->buf + b->len_bytes, p, len);
	b->len_bytes += len;
}

void bytes_put32(struct bytes *b, uint32_t v)
{
	le32 d = le32_of(v);

	bytes_put(b, &d, sizeof(d));
}

void bytes_put64(struct bytes *b, uint64_t v)
{
	le64 d = le64_of(v);

	bytes_put(b, &d, sizeof(d));
}

void bytes_fini(struct bytes *b)
{
	free(b->buf);
	*b = (struct bytes){ 0 };
}

const uint8_t *bytes_get(struct bytes_reader *r, size_t len)
{
	const uint8_t *p = r->at;

	if (r->bad || len > r->left_bytes) {
		r->bad = true;
		return NULL;
	}
	r->at += len;
	r->left_bytes -= len;
	return p;
}

uint32_t bytes_get32(struct bytes_reader *r)
{
	const uint8_t *p = bytes_get(r, sizeof(le32));
	le32 d;

	if (!p)
		return 0;
	memcpy(&d, p, sizeof(d));
	return le32_get(d);
}

uint64_t bytes_get64(struct bytes_reader *r)
{
	const uint8_t *p = bytes_get(r, sizeof(le64));
	le64 d;

	if (!p)
		return 0;
	memcpy(&d, p, sizeof(d));
	return le64_get(d);
}

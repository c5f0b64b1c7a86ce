/* SPDX-License-Identifier: MIT */
#include "verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_BYTES (1U << 20)

/* The first page of the part that is damaged, for people. */
static int refuse(struct commit_ctx *ctx, uint32_t object,
		  const struct plan_run *r, uint64_t done)
{
	uint8_t page[MAPFS_PAGE_SIZE];
	uint64_t at = done;
	char text[256];

	while (at < r->len_bytes &&
	       arena_read(ctx->arena, r->from_bytes + at, page,
			  r->len_bytes - at < sizeof(page) ?
				  (size_t)(r->len_bytes - at) :
				  sizeof(page)) != -EBADMSG)
		at += MAPFS_PAGE_SIZE;
	at += r->off_bytes;
	(void)snprintf(
		text, sizeof(text),
		"bytes %" PRIu64 " to %" PRIu64
		" are damaged in the store, so they are not committed; commit the other paths by their names, or write these bytes once more in a view",
		at, at + MAPFS_PAGE_SIZE - 1);
	return commit_ctx_refuse(ctx, object, text, -EIO);
}

static int verify_run(struct commit_ctx *ctx, uint32_t object,
		      const struct plan_run *r, uint8_t *buf)
{
	uint64_t done = 0;
	int err = 0;

	while (!err && done < r->len_bytes) {
		uint64_t n = r->len_bytes - done;

		if (n > READ_BYTES)
			n = READ_BYTES;
		err = arena_read(ctx->arena, r->from_bytes + done, buf, n);
		if (err == -EBADMSG)
			return refuse(ctx, object, r, done);
		done += n;
	}
	return err ? commit_ctx_fail(ctx, object, "cannot read its pages",
				     err) :
		     0;
}

int verify_pages(struct commit_ctx *ctx)
{
	const struct plan *p = ctx->plan;
	uint8_t *buf = malloc(READ_BYTES);
	int err = buf ? 0 : -ENOMEM;

	for (uint32_t id = 0; !err && id < p->object_count; id++) {
		const struct plan_state *s = &p->objects[id]->side[PLAN_AFTER];

		for (size_t n = 0; !err && s->exists && n < s->run_count; n++)
			if (s->runs[n].source == PLAN_ARENA)
				err = verify_run(ctx, id, &s->runs[n], buf);
	}
	free(buf);
	return err;
}

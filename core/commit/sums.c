/* SPDX-License-Identifier: MIT */
/*
 * The payload of the file:
 *
 *   off  size  meaning (all integers little-endian)
 *     0     8  token of the commit (in the name of its staging directory)
 *     8     8  XXH3, seed 0, of the plan: of the payload of that file
 *    16     8  bytes of `saved` that are covered
 *    24   8*n  the sum of each block of 4096 bytes; the last may be shorter
 *
 * With S = XXH3 of bytes 0 to 23, seed 0, the sum of block number i is XXH3 of
 * its bytes, seeded with the XXH3 of i (8 bytes), seeded with S.
 */
#include "sums.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/checksum.h"
#include "core/lib/io.h"
#include "core/lib/le.h"
#include "saved_file.h"

#define BLOCK_BYTES 4096U
#define HEAD_BYTES 24U

/* Which blocks of `saved` are needed and which of them are damaged. */
struct sums {
	uint64_t seed;
	uint64_t saved_bytes;
	uint64_t count; /* of blocks */
	uint8_t *file;	/* the payload; NULL: it cannot be read */
	bool *is_needed;
	bool *is_bad;
};

static uint64_t block_count(uint64_t bytes)
{
	return bytes / BLOCK_BYTES + (bytes % BLOCK_BYTES != 0);
}

static uint64_t block_sum(uint64_t seed, uint64_t number, const void *block,
			  size_t len)
{
	const le64 n = le64_of(number);

	return checksum64(block, len, checksum64(&n, sizeof(n), seed));
}

static size_t block_bytes(uint64_t saved_bytes, uint64_t number)
{
	const uint64_t left = saved_bytes - number * BLOCK_BYTES;

	return left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
}

int sums_write(struct commit_ctx *ctx)
{
	const uint64_t all = ctx->plan->saved_bytes;
	uint8_t block[BLOCK_BYTES];
	struct bytes b = { 0 };
	uint64_t seed;
	int err = 0;

	bytes_put64(&b, ctx->at.stage_tag);
	bytes_put64(&b, ctx->plan->sum);
	bytes_put64(&b, all);
	seed = b.failed ? 0 : checksum64(b.buf, HEAD_BYTES, 0);
	for (uint64_t n = 0; !err && n < block_count(all); n++) {
		const size_t len = block_bytes(all, n);

		err = io_pread_all(ctx->fd.saved, block, len, n * BLOCK_BYTES);
		if (!err)
			bytes_put64(&b, block_sum(seed, n, block, len));
	}
	if (!err)
		err = saved_file_write(ctx->fd.dir, SAVED_FILE_SUMS, &b);
	bytes_fini(&b);
	return err;
}

static int refuse_missing(struct commit_ctx *ctx)
{
	reason_set(
		ctx->why,
		"%s/commit/%llu/sums: is gone, and without it the bytes beside it cannot be trusted; put it back",
		ctx->store, (unsigned long long)ctx->at.number);
	return -EUCLEAN;
}

/* On an error s->file stays NULL. */
static int read_file(struct commit_ctx *ctx, struct sums *s)
{
	struct bytes_reader r = { 0 };
	uint8_t *buf;
	size_t len;
	int err = saved_file_read(ctx->fd.dir, SAVED_FILE_SUMS, &buf, &len,
				  ctx->why);

	if (err)
		return err == -ENOENT ? refuse_missing(ctx) : err;
	r.at = buf;
	r.left_bytes = len;
	/* An undo of a commit that had ended has a token of its own. */
	(void)bytes_get64(&r);
	if (bytes_get64(&r) != ctx->plan->sum ||
	    bytes_get64(&r) != s->saved_bytes || r.bad ||
	    r.left_bytes != s->count * sizeof(le64)) {
		free(buf);
		saved_file_refuse(ctx->fd.dir, SAVED_FILE_SUMS, len, ctx->why);
		return -EUCLEAN;
	}
	s->seed = checksum64(buf, HEAD_BYTES, 0);
	s->file = buf;
	return 0;
}

static bool is_overwritten(const struct plan_object *o)
{
	return o->has_data && o->side[PLAN_BEFORE].exists &&
	       o->side[PLAN_AFTER].exists;
}

/* The first block of the run that has the flag; `count`: none. */
static uint64_t find_flag(const struct sums *s, const bool *flag,
			  const struct plan_run *r)
{
	uint64_t n = r->from_bytes / BLOCK_BYTES;
	const uint64_t last = (r->from_bytes + r->len_bytes - 1) / BLOCK_BYTES;

	while (n < s->count && n <= last && !flag[n])
		n++;
	return n <= last ? n : s->count;
}

/* -EUCLEAN: the plan names bytes that were never saved. */
static int mark_needed(struct commit_ctx *ctx, const struct plan_object *o,
		       struct sums *s)
{
	const struct plan_state *before = &o->side[PLAN_BEFORE];

	for (size_t i = 0; i < before->run_count; i++) {
		const struct plan_run *r = &before->runs[i];
		uint64_t n = r->from_bytes / BLOCK_BYTES;

		if (r->source != PLAN_SAVED)
			continue;
		if (r->from_bytes + r->len_bytes > s->saved_bytes)
			return commit_ctx_refuse(
				ctx, o->id,
				"its plan names bytes that were not saved",
				-EUCLEAN);
		for (; n * BLOCK_BYTES < r->from_bytes + r->len_bytes; n++)
			s->is_needed[n] = true;
	}
	return 0;
}

static void check_blocks(const struct commit_ctx *ctx, struct sums *s)
{
	uint8_t block[BLOCK_BYTES];
	le64 want;

	for (uint64_t n = 0; n < s->count; n++) {
		const size_t len = block_bytes(s->saved_bytes, n);

		if (!s->is_needed[n])
			continue;
		s->is_bad[n] = true;
		if (!s->file ||
		    io_pread_all(ctx->fd.saved, block, len, n * BLOCK_BYTES))
			continue;
		memcpy(&want, s->file + HEAD_BYTES + n * sizeof(want),
		       sizeof(want));
		s->is_bad[n] = block_sum(s->seed, n, block, len) !=
			       le64_get(want);
	}
}

static int refuse_run(struct commit_ctx *ctx, const struct plan_object *o,
		      const struct plan_run *r, uint64_t block)
{
	const uint64_t start = block * BLOCK_BYTES;
	const uint64_t end = start + BLOCK_BYTES;
	const uint64_t run_end = r->from_bytes + r->len_bytes;
	/* In `saved`, and from there in the file. */
	const uint64_t from = start > r->from_bytes ? start : r->from_bytes;
	const uint64_t to = end < run_end ? end : run_end;
	const unsigned long long first = r->off_bytes + (from - r->from_bytes);
	const unsigned long long last = first + (to - from) - 1;
	char text[REASON_BYTES];

	(void)snprintf(
		text, sizeof(text),
		"its bytes %llu to %llu, of before the commit, are damaged in %s/commit/%llu/saved, at offset %llu, and nothing was written; undo the rest with `mapfs commit --undo --skip-damaged %s`",
		first, last, ctx->store, (unsigned long long)ctx->at.number,
		(unsigned long long)from, ctx->store);
	return commit_ctx_refuse(ctx, o->id, text, -EBADMSG);
}

static int judge(struct commit_ctx *ctx, struct plan_object *o,
		 const struct sums *s, bool may_skip)
{
	const struct plan_state *before = &o->side[PLAN_BEFORE];

	for (size_t i = 0; i < before->run_count; i++) {
		const struct plan_run *r = &before->runs[i];
		uint64_t bad;

		if (r->source != PLAN_SAVED)
			continue;
		bad = find_flag(s, s->is_bad, r);
		if (bad == s->count)
			continue;
		if (!may_skip)
			return refuse_run(ctx, o, r, bad);
		o->is_damaged = true;
	}
	return 0;
}

static int check(struct commit_ctx *ctx, struct sums *s, bool may_skip)
{
	const struct plan *p = ctx->plan;
	int err = 0;

	for (uint32_t i = 0; !err && i < p->object_count; i++)
		if (is_overwritten(p->objects[i]))
			err = mark_needed(ctx, p->objects[i], s);
	if (err)
		return err;
	err = read_file(ctx, s);
	if (err && !(may_skip && (err == -EUCLEAN || err == -EBADMSG)))
		return err;
	reason_clear(ctx->why);
	err = 0;
	check_blocks(ctx, s);
	for (uint32_t i = 0; !err && i < p->object_count; i++)
		if (is_overwritten(p->objects[i]))
			err = judge(ctx, p->objects[i], s, may_skip);
	return err;
}

int sums_check(struct commit_ctx *ctx, bool may_skip)
{
	struct sums s = {
		.saved_bytes = ctx->plan->saved_bytes,
		.count = block_count(ctx->plan->saved_bytes),
	};
	int err;

	if (!ctx->plan->has_sums || s.count == 0)
		return 0;
	s.is_needed = calloc(s.count, sizeof(*s.is_needed));
	s.is_bad = calloc(s.count, sizeof(*s.is_bad));
	err = s.is_needed && s.is_bad ? check(ctx, &s, may_skip) : -ENOMEM;
	free(s.is_needed);
	free(s.is_bad);
	free(s.file);
	return err;
}

/* All blocks of `fd`; the rest of the payload of `sums` is their sums. */
static int compare_all(int fd, const uint8_t *sums, uint64_t saved_bytes,
		       int (*fn)(void *arg, uint64_t off, size_t len),
		       void *arg)
{
	const uint64_t seed = checksum64(sums, HEAD_BYTES, 0);
	uint8_t block[BLOCK_BYTES];
	le64 sum;
	int err = 0;

	for (uint64_t n = 0; !err && n < block_count(saved_bytes); n++) {
		const size_t len = block_bytes(saved_bytes, n);
		int ret = io_pread_all(fd, block, len, n * BLOCK_BYTES);

		memcpy(&sum, sums + HEAD_BYTES + n * sizeof(sum), sizeof(sum));
		if (ret || block_sum(seed, n, block, len) != le64_get(sum))
			err = fn(arg, n * BLOCK_BYTES, len);
	}
	return err;
}

int sums_find_damage(int dirfd, int (*fn)(void *arg, uint64_t off, size_t len),
		     void *arg, struct reason *why)
{
	struct bytes_reader r = { 0 };
	uint64_t saved_bytes;
	uint8_t *buf = NULL;
	size_t len = 0;
	int fd;
	int err = saved_file_read(dirfd, SAVED_FILE_SUMS, &buf, &len, why);

	if (err)
		return err;
	r.at = buf;
	r.left_bytes = len;
	(void)bytes_get64(&r);
	(void)bytes_get64(&r);
	saved_bytes = bytes_get64(&r);
	if (r.bad || r.left_bytes % sizeof(le64) != 0 ||
	    r.left_bytes / sizeof(le64) != block_count(saved_bytes)) {
		free(buf);
		saved_file_refuse(dirfd, SAVED_FILE_SUMS, len, why);
		return -EUCLEAN;
	}
	fd = openat(dirfd, "saved",
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	err = fd < 0 ? -errno : compare_all(fd, buf, saved_bytes, fn, arg);
	if (fd >= 0)
		close(fd);
	free(buf);
	return err;
}

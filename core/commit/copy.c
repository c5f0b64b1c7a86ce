/* SPDX-License-Identifier: MIT */
/*
 * copy_file_range(2) shares the bytes where the file system has reflinks, and
 * copies them in the kernel elsewhere.  Where it does neither they are read and
 * written here.
 */
#include "copy.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"

#define COPY_BYTES (1U << 20)
#define PIECE_BYTES (16 * COPY_BYTES)

/* *r becomes what is left to copy.  -EOPNOTSUPP: not between these files. */
static int copy_by_kernel(struct copy_range *r)
{
	while (r->len > 0) {
		off_t in = (off_t)r->from_off;
		off_t out = (off_t)r->to_off;
		size_t want = r->len < COPY_BYTES ? r->len : COPY_BYTES;
		ssize_t n = copy_file_range(r->from, &in, r->to, &out, want, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT ||
			      errno == EIO || errno == EFBIG))
			return -errno;
		/* Some file systems copy nothing and call that success. */
		if (n <= 0)
			return -EOPNOTSUPP;
		r->from_off += (uint64_t)n;
		r->to_off += (uint64_t)n;
		r->len -= (uint64_t)n;
	}
	return 0;
}

static int copy_by_hand(struct copy_range r)
{
	uint8_t *buf = malloc(COPY_BYTES);
	int err = buf ? 0 : -ENOMEM;

	while (!err && r.len > 0) {
		size_t n = r.len < COPY_BYTES ? r.len : COPY_BYTES;

		err = io_pread_all(r.from, buf, n, r.from_off);
		if (!err)
			err = io_pwrite_all("commit.write", r.to, buf, n,
					    r.to_off);
		r.from_off += n;
		r.to_off += n;
		r.len -= n;
	}
	free(buf);
	return err;
}

int copy_range(struct commit_ctx *ctx, const struct copy_range *r)
{
	uint64_t done = 0;

	/* In pieces, so that progress is shown and the user may stop it. */
	while (done < r->len) {
		const uint64_t left = r->len - done;
		const uint64_t n = left < PIECE_BYTES ? left : PIECE_BYTES;
		struct copy_range piece = {
			.from = r->from,
			.to = r->to,
			.from_off = r->from_off + done,
			.to_off = r->to_off + done,
			.len = n,
		};
		int err = fault_point("commit.copy");

		if (!err)
			err = copy_by_kernel(&piece);
		/* The rest of the piece. */
		if (err == -EOPNOTSUPP)
			err = copy_by_hand(piece);
		if (!err)
			err = commit_ctx_step(ctx, n);
		if (err)
			return err;
		done += n;
	}
	return 0;
}

/* The first data, or hole, at or after `off`; `end` if there is none before. */
static int seek(int fd, uint64_t off, uint64_t end, int whence, uint64_t *out)
{
	off_t at = lseek(fd, (off_t)off, whence);

	if (at < 0 && errno == ENXIO)
		at = (off_t)end;
	if (at < 0 && errno == EINVAL) /* no holes in this file system */
		at = (off_t)(whence == SEEK_DATA ? off : end);
	if (at < 0)
		return -errno;
	*out = (uint64_t)at < end ? (uint64_t)at : end;
	return 0;
}

int copy_file(struct commit_ctx *ctx, int from, int to)
{
	struct stat st;
	uint64_t at = 0;
	int err = fstat(from, &st) < 0 ? -errno : 0;

	if (!err && ftruncate(to, st.st_size) < 0)
		err = -errno;
	while (!err && at < (uint64_t)st.st_size) {
		uint64_t end = (uint64_t)st.st_size;
		uint64_t data = end;
		uint64_t hole = end;

		err = seek(from, at, end, SEEK_DATA, &data);
		if (err || data == end)
			break;
		err = seek(from, data, end, SEEK_HOLE, &hole);
		if (!err)
			err = copy_range(ctx, &(struct copy_range){
						      .from = from,
						      .to = to,
						      .from_off = data,
						      .to_off = data,
						      .len = hole - data,
					      });
		at = hole;
	}
	return err;
}

int copy_save(struct commit_ctx *ctx, int fd, uint64_t off, uint64_t len,
	      struct plan_state *s)
{
	const uint64_t end = off + len;
	int err = 0;

	while (!err && off < end) {
		uint64_t data = end;
		uint64_t hole = end;

		err = seek(fd, off, end, SEEK_DATA, &data);
		if (!err && data < end)
			err = seek(fd, data, end, SEEK_HOLE, &hole);
		if (!err)
			err = plan_add_run(s, &(struct plan_run){
						      .off_bytes = off,
						      .len_bytes = data - off,
						      .source = PLAN_HOLE,
					      });
		if (err || data == end)
			break;
		err = copy_range(ctx, &(struct copy_range){
					      .from = fd,
					      .to = ctx->fd.saved,
					      .from_off = data,
					      .to_off = ctx->plan->saved_bytes,
					      .len = hole - data,
				      });
		if (!err)
			err = plan_add_run(
				s, &(struct plan_run){
					   .off_bytes = data,
					   .len_bytes = hole - data,
					   .from_bytes = ctx->plan->saved_bytes,
					   .source = PLAN_SAVED,
				   });
		ctx->plan->saved_bytes += hole - data;
		off = hole;
	}
	return err;
}

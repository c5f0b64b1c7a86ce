/* SPDX-License-Identifier: MIT */
/*
 * Bytes between store and base: shared by reflink where the file system can,
 * copied by the kernel where it can, else by us.  Holes stay holes.
 */
#include "phases.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"

#define COPY_BYTES (1U << 20)

/* -EOPNOTSUPP: not between these two. */
static int copy_by_kernel(int from, uint64_t *from_off, int to,
			  uint64_t *to_off, uint64_t *len)
{
	while (*len > 0) {
		off_t in = (off_t)*from_off;
		off_t out = (off_t)*to_off;
		size_t want = *len < COPY_BYTES ? *len : COPY_BYTES;
		ssize_t n = copy_file_range(from, &in, to, &out, want, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT ||
			      errno == EIO || errno == EFBIG))
			return -errno;
		/* Some file systems copy nothing and call that success. */
		if (n <= 0)
			return -EOPNOTSUPP;
		*from_off += (uint64_t)n;
		*to_off += (uint64_t)n;
		*len -= (uint64_t)n;
	}
	return 0;
}

static int copy_by_hand(int from, uint64_t from_off, int to, uint64_t to_off,
			uint64_t len)
{
	uint8_t *buf = malloc(COPY_BYTES);
	int err = buf ? 0 : -ENOMEM;

	while (!err && len > 0) {
		size_t n = len < COPY_BYTES ? len : COPY_BYTES;

		err = io_pread_all(from, buf, n, from_off);
		if (!err)
			err = io_pwrite_all("commit.write", to, buf, n, to_off);
		from_off += n;
		to_off += n;
		len -= n;
	}
	free(buf);
	return err;
}

int work_copy(struct commit_work *w, int from, uint64_t from_off, int to,
	      uint64_t to_off, uint64_t len)
{
	/* In pieces, so that who waits sees them and may stop. */
	while (len > 0) {
		uint64_t n = len < 16 * COPY_BYTES ? len : 16 * COPY_BYTES;
		uint64_t left = n;
		int err = fault_point("commit.copy");

		if (!err)
			err = copy_by_kernel(from, &from_off, to, &to_off,
					     &left);
		if (err == -EOPNOTSUPP)
			err = copy_by_hand(from, from_off, to, to_off, left);
		if (!err)
			err = work_step(w, n);
		if (err)
			return err;
		/* What the kernel did not do was done by hand. */
		from_off += left;
		to_off += left;
		len -= n;
	}
	return 0;
}

/* The first data (or hole) at or after `off`, at most `end`. */
static int seek(int fd, uint64_t off, uint64_t end, int whence, uint64_t *out)
{
	off_t at = lseek(fd, (off_t)off, whence);

	if (at < 0 && errno == ENXIO)
		at = (off_t)end;
	if (at < 0 && errno == EINVAL) /* it knows no holes */
		at = (off_t)(whence == SEEK_DATA ? off : end);
	if (at < 0)
		return -errno;
	*out = (uint64_t)at < end ? (uint64_t)at : end;
	return 0;
}

int work_save(struct commit_work *w, int fd, uint64_t off, uint64_t len,
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
		err = work_copy(w, fd, data, w->savedfd, w->plan->saved_bytes,
				hole - data);
		if (!err)
			err = plan_add_run(
				s, &(struct plan_run){
					   .off_bytes = data,
					   .len_bytes = hole - data,
					   .from_bytes = w->plan->saved_bytes,
					   .source = PLAN_SAVED,
				   });
		w->plan->saved_bytes += hole - data;
		off = hole;
	}
	return err;
}

int work_copy_all(struct commit_work *w, int from, int to)
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
			err = work_copy(w, from, data, to, data, hole - data);
		at = hole;
	}
	return err;
}

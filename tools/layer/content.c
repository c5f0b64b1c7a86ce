/* SPDX-License-Identifier: MIT */
/*
 * A layer holds whole files, and a store needs the changed pages only; so a
 * page is written only where it differs.
 */
#include "content.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <unistd.h>

#include "format.h"
#include "tools/lib/progress.h"

/* Writes the pages of the file that differ. */
static int write_difference(struct layer_apply *l, mapfs_ino ino,
			    const char *bytes, size_t len, uint64_t off)
{
	ssize_t have =
		mapfs_read(l->view, mapfs_file_of(ino), l->old_bytes, len, off);
	size_t at = 0;

	if (have < 0)
		return (int)have;
	while (at < len) {
		size_t part = MAPFS_PAGE_SIZE - (off + at) % MAPFS_PAGE_SIZE;
		struct mapfs_write w = { .buf = bytes + at, .off = off + at };
		ssize_t n;

		w.len = part < len - at ? part : len - at;
		if (at + w.len > (size_t)have ||
		    memcmp(w.buf, l->old_bytes + at, w.len) != 0) {
			n = mapfs_write(l->view, mapfs_file_of(ino), &w);
			if (n < 0)
				return (int)n;
		}
		at += w.len;
	}
	return 0;
}

/* A hole of the entry: the file reads as zeros there. */
static int clear_range(struct layer_apply *l, mapfs_ino ino, uint64_t from,
		       uint64_t to)
{
	uint64_t data;
	int err = mapfs_lseek(l->view, mapfs_file_of(ino), from, SEEK_DATA,
			      &data);

	if (err == -ENXIO || (!err && data >= to))
		return 0;
	if (err)
		return err;
	return mapfs_fallocate(l->view, mapfs_file_of(ino),
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from,
			       to - from);
}

static int block_apply(struct layer_apply *l, mapfs_ino ino, const char *bytes,
		       size_t len, uint64_t off)
{
	int err = 0;

	while (len > 0 && !err) {
		size_t part = len < LAYER_IO_BYTES ? len : LAYER_IO_BYTES;

		err = write_difference(l, ino, bytes, part, off);
		bytes += part;
		len -= part;
		off += part;
	}
	return err;
}

int layer_content_apply(struct layer_apply *l, mapfs_ino ino, struct archive *a,
			struct archive_entry *entry)
{
	uint64_t all = (uint64_t)archive_entry_size(entry);
	struct mapfs_setattr set = {
		.valid = MAPFS_SET_SIZE,
		.size_bytes = all,
	};
	struct mapfs_attr out;
	uint64_t end = 0;
	int err = mapfs_setattr(l->view, mapfs_file_of(ino), &set, &out);

	while (!err) {
		const void *bytes;
		int64_t off;
		size_t len;
		int got = archive_read_data_block(a, &bytes, &len, &off);

		if (got == ARCHIVE_EOF)
			break;
		if (got < ARCHIVE_WARN) {
			reason_set(&l->why, "%s", layer_read_error(a));
			return archive_errno(a) == EINTR ? -EINTR : -EIO;
		}
		if (progress_interrupted())
			return -EINTR;
		if ((uint64_t)off > end)
			err = clear_range(l, ino, end, (uint64_t)off);
		if (!err)
			err = block_apply(l, ino, bytes, len, (uint64_t)off);
		end = (uint64_t)off + len;
		progress_update((uint64_t)archive_filter_bytes(a, -1));
	}
	return err || end >= all ? err : clear_range(l, ino, end, all);
}

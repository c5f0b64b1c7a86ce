/* SPDX-License-Identifier: MIT */
/*
 * Writing to a copy view: chunk by chunk, each one group of records, so that
 * the size of a group has a bound.  new_pages.c decides which pages are
 * written in place.
 */
#include "write.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "damage.h"
#include "guard.h"
#include "new_pages.h"
#include "read.h"
#include "xattr.h"

/*
 * One group covers at most this much: 1 MiB, and the pages that the chunk
 * begins and ends in.
 */
#define WRITE_CHUNK_BYTES (1U << 20)
#define COPY_CHUNK_BYTES (256U << 10)

struct write_ctx {
	struct overlay *o;
	mapfs_ino ino;
	const struct mapfs_write *write;
	size_t done; /* bytes, in earlier runs, too */
};

bool overlay_touch(const struct overlay *o, struct record_attr *a)
{
	if (o->view.kernel_times)
		return false;
	a->mtime = overlay_now();
	a->ctime = a->mtime;
	return true;
}

/* The attributes after a write that ends at `end`; false: unchanged. */
static bool attr_after_write(const struct overlay *o, struct record_attr *a,
			     uint64_t end)
{
	bool changed = false;

	if (end > a->size_bytes) {
		a->size_bytes = end;
		changed = true;
	}
	if (overlay_touch(o, a))
		changed = true;
	return changed;
}

/* All of `w`, which is at most WRITE_CHUNK_BYTES; the stripe is held. */
static int write_chunk(struct overlay *o, struct inode *i,
		       const struct mapfs_write *w)
{
	struct record r = { .type = RECORD_ATTR, .attr = i->delta->attr };
	struct new_pages n;
	int err;

	new_pages_begin(&n, o, i);
	err = store_may_overwrite(o->store);
	/*
	 * File capabilities: the kernel has removed them already at a write(2)
	 * to its cache.  If the file has any now, they were set later, and a
	 * store to a mapping removes none.
	 */
	if (!err && !(w->flags & MAPFS_WRITE_CACHED))
		err = overlay_add_drop_caps(o, i, &n.group);
	if (!err)
		err = new_pages_write(&n, w->buf, w->len, w->off);
	if (!err && attr_after_write(o, &r.attr, w->off + w->len))
		group_add(&n.group, &r);
	err = new_pages_end(&n, err);
	if (!err)
		store_touch(o->store);
	return err;
}

/* Continues behind the first `done` bytes. */
static int write_once(void *ctx)
{
	struct write_ctx *c = ctx;
	const struct mapfs_write *w = c->write;
	const bool is_cached = w->flags & MAPFS_WRITE_CACHED;
	struct inode *i;
	int err = overlay_data_begin(c->o, c->ino, SPACE_GROWS, &i);

	/*
	 * A rollback removed the inode and all that was written to it.  An
	 * error would be reported by close(2) and syncfs(2), which fail for no
	 * reason that their caller knows.
	 */
	if (err == -ESTALE && is_cached) {
		c->done = w->len;
		return 0;
	}
	if (err)
		return err;
	if (!S_ISREG(i->type))
		err = S_ISDIR(i->type) ? -EISDIR : -EINVAL;
	/* Pages of before a rollback or revert: invalidate.h. */
	if (!err && is_cached && i->is_stale)
		c->done = w->len;
	while (!err && c->done < w->len) {
		struct mapfs_write chunk = {
			.buf = (const char *)w->buf + c->done,
			.len = w->len - c->done,
			.off = w->off + c->done,
			.flags = w->flags,
		};

		if (chunk.len > WRITE_CHUNK_BYTES)
			chunk.len = WRITE_CHUNK_BYTES;
		err = write_chunk(c->o, i, &chunk);
		if (!err)
			c->done += chunk.len;
	}
	overlay_change_end(c->o, i);
	return err;
}

ssize_t overlay_write(struct mapfs_view *v, struct mapfs_file file,
		      const struct mapfs_write *write)
{
	struct write_ctx c = {
		.o = overlay_of(v),
		.ino = file.ino,
		.write = write,
	};
	int err = overlay_retry_full(c.o, write_once, &c);

	overlay_tell_damage(c.o);
	return c.done > 0 ? (ssize_t)c.done : err;
}

/*
 * The kernel refuses ranges that overlap, and removes set-id bits first.  The
 * two inodes are never locked at once, as they may share a stripe.
 */
ssize_t overlay_copy_range(struct mapfs_view *v,
			   const struct mapfs_copy_range *copy)
{
	struct mapfs_write chunk = { .off = copy->to_off };
	char *buf = malloc(COPY_CHUNK_BYTES);
	size_t done = 0;
	ssize_t n = 0;

	if (!buf)
		return -ENOMEM;
	chunk.buf = buf;
	while (done < copy->len) {
		size_t want = copy->len - done;

		if (want > COPY_CHUNK_BYTES)
			want = COPY_CHUNK_BYTES;
		n = overlay_read(v, copy->from, buf, want,
				 copy->from_off + done);
		if (n <= 0)
			break;
		chunk.len = (size_t)n;
		chunk.off = copy->to_off + done;
		n = overlay_write(v, copy->to, &chunk);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	free(buf);
	return done > 0 ? (ssize_t)done : n;
}

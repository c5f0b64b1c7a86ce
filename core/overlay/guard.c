/* SPDX-License-Identifier: MIT */
/*
 * The signature is taken first.  If a program can store into the file, its
 * pages are write-protected next: every later store moves a time stamp, so the
 * signature fits no more.  A store in between is as if it were made earlier,
 * because no byte of the base file was used yet.  A file without such a program
 * needs nothing: whoever maps it later begins with protected pages.
 *
 * The kernel collects writes.  If it has read the file, what it writes back can
 * hold bytes of the base, so the file is guarded before they become private;
 * else when the first byte of the base is needed, by overlay_guard().
 *
 * On a file system in memory no store moves a time stamp.  There the rest of
 * the file is copied up at once, so that no byte of the base is needed again.
 */
#include "guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/checksum.h"
#include "core/lib/log.h"
#include "new_pages.h"

#define COPY_MOST_BYTES (16U << 20)
#define CHUNK_BYTES (256U << 10)
#define COPY_TRIES 3

/* Copies what the view shows of a base file, or only sums it up. */
struct rest_ctx {
	struct overlay *o;
	struct inode *i;
	struct new_pages *pages; /* NULL: only the sum */
	uint8_t *buf;		 /* CHUNK_BYTES */
	uint64_t sum;
};

static uint64_t base_end(const struct delta *d)
{
	return d->attr.visible_base_bytes < d->attr.size_bytes ?
		       d->attr.visible_base_bytes :
		       d->attr.size_bytes;
}

static int take_chunk(struct rest_ctx *c, uint64_t off, size_t len)
{
	const size_t whole = page_ceil(len) * MAPFS_PAGE_SIZE;
	ssize_t n = base_read(c->o->base, c->i, c->buf, len, off);

	if (n < 0)
		return (int)n;
	if ((size_t)n != len)
		return -EIO;
	memset(c->buf + len, 0, whole - len);
	c->sum = checksum64(c->buf, whole, c->sum);
	return c->pages ? new_pages_write(c->pages, c->buf, whole, off) : 0;
}

/* Each part of the file that is the base's; only pages that do not change. */
static int take_rest(struct rest_ctx *c)
{
	const struct delta *d = c->i->delta;
	const uint64_t end = base_end(d);
	uint64_t off = 0;
	int err = 0;

	c->sum = 0;
	while (off < end && !err) {
		struct pt_run run;
		uint64_t stop;

		pagetable_lookup(&d->pages, page_of(off),
				 page_ceil(end) - page_of(off), &run);
		stop = (run.first + run.count) * MAPFS_PAGE_SIZE;
		if (run.kind != PT_BASE)
			off = stop;
		if (stop > end)
			stop = end;
		if (off < stop && stop - off > CHUNK_BYTES)
			stop = off + CHUNK_BYTES;
		if (off < stop) {
			err = take_chunk(c, off, stop - off);
			off = stop;
		}
	}
	return err;
}

/* -EAGAIN: the file changed meanwhile, so the copy could be of two versions. */
static int copy_rest_once(struct rest_ctx *c)
{
	struct new_pages pages;
	uint64_t copied;
	int err;

	new_pages_begin(&pages, c->o, c->i);
	c->pages = &pages;
	err = take_rest(c);
	copied = c->sum;
	c->pages = NULL;
	if (!err)
		err = take_rest(c);
	if (!err && c->sum != copied)
		err = -EAGAIN;
	return new_pages_end(&pages, err);
}

static int copy_rest(struct overlay *o, struct inode *i)
{
	struct rest_ctx c = { .o = o, .i = i };
	int err = -EAGAIN;

	if (base_end(i->delta) == 0)
		return 0;
	if (base_end(i->delta) > COPY_MOST_BYTES) {
		log_line(
			LOG_WARNING,
			"base file %s is open for writing, and its file system does not tell when it changes: writing to it fails until the program that has it open ends",
			i->base_name);
		return -ETXTBSY;
	}
	c.buf = malloc(CHUNK_BYTES);
	if (!c.buf)
		return -ENOMEM;
	for (int tries = 0; err == -EAGAIN && tries < COPY_TRIES; tries++)
		err = copy_rest_once(&c);
	free(c.buf);
	if (err != -EAGAIN)
		return err;
	log_line(
		LOG_WARNING,
		"base file %s changes while it is copied: writing to it fails until the program that has it open ends",
		i->base_name);
	return -ETXTBSY;
}

/*
 * May bytes of the base have been used, by the kernel?  If not, it is enough to
 * guard the file before they are.
 */
static bool must_guard(const struct overlay *o, const struct inode *i)
{
	return S_ISREG(i->type) && !i->is_guarded && i->delta->base &&
	       (i->read_ctime_ns || base_hides_stores(o->base)) &&
	       base_end(i->delta) > 0;
}

/*
 * Looks for writers; the inode is locked.  1: its pages have to be
 * write-protected, which takes too long under locks.
 */
static int look(struct overlay *o, struct inode *i)
{
	enum base_writer writer;
	int err = base_find_writer(o->base, i, &writer);

	if (err)
		return err;
	if (!base_hides_stores(o->base) && writer != BASE_WRITER_NONE)
		return 1;
	if (writer == BASE_WRITER_SOME)
		err = copy_rest(o, i);
	if (!err)
		i->is_guarded = true;
	return err;
}

int overlay_data_begin(struct overlay *o, mapfs_ino ino, enum group_space space,
		       struct inode **out)
{
	struct inode *i;
	int err = overlay_bytes_begin(o, ino, space, &i);

	if (err)
		return err;
	if (must_guard(o, i))
		err = look(o, i);
	if (!err) {
		*out = i;
		return 0;
	}
	inode_hold(o->itable, i);
	overlay_change_end(o, i);
	if (err > 0) {
		err = base_guard(o->base, i);
		if (!err)
			i->is_guarded = true;
	}
	overlay_put(o, i);
	return err ? err : overlay_bytes_begin(o, ino, space, out);
}

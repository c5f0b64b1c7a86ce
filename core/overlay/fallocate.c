/* SPDX-License-Identifier: MIT */
/*
 * Space of a file in a copy view: truncate and fallocate.
 *
 * Bytes that a shorter file lost must read as zeros when it grows again.  For
 * pages of the base the *visible base size* ensures that: it never grows.  A
 * private page that the new end cuts through is replaced by a new page with
 * the part that is kept: were it zeroed in place, a power cut that brings back
 * the longer file would find zeros in it [D2].
 *
 * The bytes of a private page behind the end of its file are always zero, so
 * growing a file changes no page.
 */
#include "fallocate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "damage.h"
#include "guard.h"
#include "read.h"
#include "write.h"
#include "xattr.h"

#define ZERO_CHUNK_BYTES (1U << 20)

static const uint8_t zeros[ZERO_CHUNK_BYTES];

struct fallocate_ctx {
	struct overlay *o;
	mapfs_ino ino;
	int mode;
	uint64_t off;
	uint64_t end;
};

static void add_run(struct new_pages *n, mapfs_pgno first, uint64_t count,
		    enum pt_kind kind)
{
	group_add(&n->group, &(struct record){
		.type = RECORD_PAGES,
		.pages = {
			.ino = n->i->ino, .first = first, .count = count,
			.kind = kind,
		},
	});
}

/* The page that the new end `size` cuts through keeps only what is below. */
static int cut_last_page(struct new_pages *n, uint64_t size)
{
	const mapfs_pgno pgno = page_of(size);
	const size_t keep = size & (MAPFS_PAGE_SIZE - 1);
	uint8_t page[MAPFS_PAGE_SIZE] = { 0 };
	struct pt_run run;
	int err;

	pagetable_lookup(&n->i->delta->pages, pgno, 1, &run);
	if (keep == 0 || run.kind != PT_ARENA)
		return 0;
	err = overlay_read_pages(n->o, n->i, page, keep,
				 pgno * MAPFS_PAGE_SIZE);
	return err ? err : new_pages_replace(n, pgno, page);
}

int overlay_add_truncate(struct new_pages *n, struct record_attr *a,
			 uint64_t size)
{
	const struct pagetable *pt = &n->i->delta->pages;
	const mapfs_pgno end = page_ceil(size);
	struct pt_run run;
	int err = 0;

	if (size < a->size_bytes)
		err = cut_last_page(n, size);
	if (err)
		return err;
	/* No page may be left behind the end, not even a preallocated one. */
	if (pagetable_next(pt, end, &run))
		add_run(n, end, pagetable_end(pt) - end, PT_BASE);
	a->size_bytes = size;
	if (a->visible_base_bytes > size)
		a->visible_base_bytes = size;
	return 0;
}

/* Zeros over the part of [off, end) that is in the file; within one page. */
static int zero_part(struct new_pages *n, uint64_t off, uint64_t end)
{
	if (end > n->i->delta->attr.size_bytes)
		end = n->i->delta->attr.size_bytes;
	if (off >= end)
		return 0;
	return new_pages_write(n, zeros, end - off, off);
}

/* Whole pages of [off, end) become holes, cut ones get zeros. */
static int add_hole(struct new_pages *n, uint64_t off, uint64_t end)
{
	const mapfs_pgno first = page_ceil(off);
	const mapfs_pgno last = page_of(end);
	const mapfs_pgno shows =
		page_ceil(n->i->delta->attr.visible_base_bytes);
	int err;

	if (page_of(off) == page_of(end) && off < end &&
	    (off & (MAPFS_PAGE_SIZE - 1)))
		return zero_part(n, off, end);
	err = zero_part(n, off, first * MAPFS_PAGE_SIZE);
	if (!err)
		err = zero_part(n, last * MAPFS_PAGE_SIZE, end);
	if (err || first >= last)
		return err;
	/* Where no page of the base shows, PT_BASE is a hole without an entry. */
	if (first < shows)
		add_run(n, first, (last < shows ? last : shows) - first,
			PT_HOLE);
	if (last > shows) {
		mapfs_pgno from = first > shows ? first : shows;

		add_run(n, from, last - from, PT_BASE);
	}
	return 0;
}

/*
 * A hole becomes private zero pages, so that writing there cannot run out of
 * space.  Pages of the base stay where they are: nothing is reserved for them,
 * and ENOSPC is reported by the write that finds no free page [D5].
 */
static int allocate_chunk(struct new_pages *n, mapfs_pgno first, uint64_t count,
			  uint64_t *done)
{
	const mapfs_pgno shows =
		page_ceil(n->i->delta->attr.visible_base_bytes);
	struct pt_run run;
	uint64_t pages;

	pagetable_lookup(&n->i->delta->pages, first, count, &run);
	pages = run.count;
	if (run.kind == PT_BASE && first < shows) {
		*done = pages < shows - first ? pages : shows - first;
		return 0;
	}
	if (run.kind == PT_ARENA) {
		*done = pages;
		return 0;
	}
	if (pages > ZERO_CHUNK_BYTES / MAPFS_PAGE_SIZE)
		pages = ZERO_CHUNK_BYTES / MAPFS_PAGE_SIZE;
	*done = pages;
	return new_pages_write(n, zeros, pages * MAPFS_PAGE_SIZE,
			       first * MAPFS_PAGE_SIZE);
}

/*
 * fallocate(2) promises of a zeroed range that writing there does not fail for
 * lack of space, so the zeros get pages.  A page that is private already is
 * zeroed in place, so that a full disk is no obstacle.
 */
static int zero_chunk(struct new_pages *n, uint64_t off, uint64_t end,
		      uint64_t *done)
{
	uint64_t len = ZERO_CHUNK_BYTES - (off & (MAPFS_PAGE_SIZE - 1));

	if (len > end - off)
		len = end - off;
	*done = len;
	return new_pages_write(n, zeros, len, off);
}

/*
 * A request for more space than there is must not fill the disk first: the
 * pages that it needs are counted before the first one is taken.  `zero`:
 * pages of the base and pinned pages need a new page, too.
 */
static int check_room(struct overlay *o, struct inode *i, mapfs_pgno at,
		      mapfs_pgno end, bool zero)
{
	const mapfs_pgno shows = page_ceil(i->delta->attr.visible_base_bytes);
	uint64_t need = 0;

	while (at < end) {
		struct pt_run run;

		pagetable_lookup(&i->delta->pages, at, end - at, &run);
		if (zero) {
			uint64_t own = new_pages_in_place(o, &run);

			if (own > 0)
				run.count = own;
			else if (run.kind == PT_ARENA)
				run.count = 1;
			need += own > 0 ? 0 : run.count;
		} else if (run.kind == PT_BASE && at < shows) {
			if (run.count > shows - at)
				run.count = shows - at;
		} else if (run.kind != PT_ARENA) {
			need += run.count;
		}
		at += run.count;
	}
	return arena_check_room(store_arena(o->store), need);
}

/*
 * Chunk by chunk, each its own group.  An error leaves a range that is
 * allocated or zeroed in part, as a disk does.
 */
static int allocate(const struct fallocate_ctx *c, struct inode *i)
{
	const bool zero = c->mode & FALLOC_FL_ZERO_RANGE;
	const mapfs_pgno last = page_ceil(c->end);
	mapfs_pgno at = page_of(c->off);
	uint64_t off = c->off;
	int err = check_room(c->o, i, at, last, zero);

	while (!err && (zero ? off < c->end : at < last)) {
		struct new_pages n;
		uint64_t done = 0;

		new_pages_begin(&n, c->o, i);
		err = zero ? zero_chunk(&n, off, c->end, &done) :
			     allocate_chunk(&n, at, last - at, &done);
		err = new_pages_end(&n, err);
		if (!err)
			store_touch(c->o->store);
		if (zero)
			off += done;
		else
			at += done;
	}
	return err;
}

static int fallocate_locked(const struct fallocate_ctx *c, struct inode *i)
{
	const bool punch = c->mode & FALLOC_FL_PUNCH_HOLE;
	struct record r = { .type = RECORD_ATTR };
	struct new_pages n;
	int err;

	err = store_may_change(c->o->store);
	if (!err && !punch)
		err = allocate(c, i);
	if (err)
		return err;
	new_pages_begin(&n, c->o, i);
	n.group.space = SPACE_FREES;
	err = overlay_add_drop_caps(c->o, i, &n.group);
	if (!err && punch)
		err = add_hole(&n, c->off, c->end);
	r.attr = i->delta->attr;
	(void)overlay_touch(c->o, &r.attr);
	if (!(c->mode & FALLOC_FL_KEEP_SIZE) && c->end > r.attr.size_bytes)
		r.attr.size_bytes = c->end;
	group_add(&n.group, &r);
	return new_pages_end(&n, err);
}

static int fallocate_once(void *ctx)
{
	const struct fallocate_ctx *c = ctx;
	struct inode *i;
	const enum group_space space =
		c->mode & FALLOC_FL_PUNCH_HOLE ? SPACE_FREES : SPACE_GROWS;
	int err = overlay_data_begin(c->o, c->ino, space, &i);

	if (err)
		return err;
	if (!S_ISREG(i->type))
		err = S_ISDIR(i->type) ? -EISDIR : -ENODEV;
	else
		err = fallocate_locked(c, i);
	overlay_change_end(c->o, i);
	return err;
}

int overlay_fallocate(struct mapfs_view *v, struct mapfs_file file, int mode,
		      uint64_t off, uint64_t len)
{
	struct fallocate_ctx c = {
		.o = overlay_of(v),
		.ino = file.ino,
		.mode = mode,
		.off = off,
		.end = off + len,
	};
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
		     FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && (mode & FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	err = overlay_retry_full(c.o, fallocate_once, &c);
	overlay_tell_damage(c.o);
	return err;
}

/* SPDX-License-Identifier: MIT */
/*
 * Space of a file in a copy view: truncate and fallocate.
 *
 * What shrinks must read as zeros when it grows again.  For pages of the base
 * the *visible base size* sees to that: it only ever falls.  For a private
 * page that the new end cuts through, the kept part moves to a new page: were
 * the old one zeroed in place, a power cut that brings back the longer file
 * would find zeros in it [D2].
 *
 * The bytes of a private page behind the end of its file are always zero, so
 * growing needs no work.
 */
#include "overlay_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ZERO_CHUNK_BYTES (1U << 20)

static const uint8_t zeros[ZERO_CHUNK_BYTES];

static void add_run(struct group *g, mapfs_ino ino, mapfs_pgno first,
		    uint64_t count, enum pt_kind kind)
{
	group_add(g, &(struct record){
		.type = RECORD_PAGES,
		.pages = {
			.ino = ino, .first = first, .count = count,
			.kind = kind,
		},
	});
}

/* The page that the new end `size` cuts through keeps only what is below. */
static int cut_last_page(struct overlay *o, struct inode *i, struct group *g,
			 struct fresh_pages *f, uint64_t size)
{
	const mapfs_pgno pgno = page_of(size);
	const size_t keep = size & (MAPFS_PAGE_SIZE - 1);
	uint8_t page[MAPFS_PAGE_SIZE] = { 0 };
	struct pt_run run;
	mapfs_apage apage;
	uint64_t got;
	int err;

	pagetable_lookup(&i->delta->pages, pgno, 1, &run);
	if (keep == 0 || run.kind != PT_ARENA)
		return 0;
	err = overlay_read_pages(o, i, page, keep, pgno * MAPFS_PAGE_SIZE);
	if (!err)
		err = arena_alloc(store_arena(o->store), 1, UINT64_MAX, &apage,
				  &got);
	if (err)
		return err;
	f->run[f->count].first = apage;
	f->run[f->count].count = got;
	f->count++;
	err = arena_write(store_arena(o->store), apage * MAPFS_PAGE_SIZE, page,
			  sizeof(page));
	group_add(g, &(struct record){
		.type = RECORD_PAGES,
		.pages = {
			.ino = i->ino, .first = pgno, .count = 1,
			.kind = PT_ARENA, .apage = apage,
		},
	});
	return err;
}

int overlay_add_truncate(struct overlay *o, struct inode *i, struct group *g,
			 struct fresh_pages *f, struct record_attr *a,
			 uint64_t size)
{
	const mapfs_pgno end = page_ceil(size);
	struct pt_run run;
	int err = 0;

	if (size < a->size_bytes)
		err = cut_last_page(o, i, g, f, size);
	if (err)
		return err;
	/* Behind the end nothing may be left, preallocated pages included. */
	if (pagetable_next(&i->delta->pages, end, &run))
		add_run(g, i->ino, end, pagetable_end(&i->delta->pages) - end,
			PT_BASE);
	a->size_bytes = size;
	if (a->visible_base_bytes > size)
		a->visible_base_bytes = size;
	return 0;
}

/* Zeros over [off, end), a part of one page, if anything else may show. */
static int zero_part(struct overlay *o, struct inode *i, struct group *g,
		     struct fresh_pages *f, uint64_t off, uint64_t end)
{
	if (end > i->delta->attr.size_bytes)
		end = i->delta->attr.size_bytes;
	if (off >= end)
		return 0;
	return overlay_write_pages(o, i, g, f, zeros, end - off, off);
}

/* Whole pages become holes, cut ones get zeros. */
static int add_zeroes(struct overlay *o, struct inode *i, struct group *g,
		      struct fresh_pages *f, uint64_t off, uint64_t end)
{
	const mapfs_pgno first = page_ceil(off);
	const mapfs_pgno last = page_of(end);
	const mapfs_pgno shows = page_ceil(i->delta->attr.visible_base_bytes);
	int err;

	if (page_of(off) == page_of(end) && off < end &&
	    (off & (MAPFS_PAGE_SIZE - 1)))
		return zero_part(o, i, g, f, off, end);
	err = zero_part(o, i, g, f, off, first * MAPFS_PAGE_SIZE);
	if (!err)
		err = zero_part(o, i, g, f, last * MAPFS_PAGE_SIZE, end);
	if (err || first >= last)
		return err;
	/* Where the base cannot show, no entry says "hole" more cheaply. */
	if (first < shows)
		add_run(g, i->ino, first, (last < shows ? last : shows) - first,
			PT_HOLE);
	if (last > shows) {
		mapfs_pgno from = first > shows ? first : shows;

		add_run(g, i->ino, from, last - from, PT_BASE);
	}
	return 0;
}

/*
 * A hole becomes private zero pages, so that writing there cannot run out of
 * space.  Pages of the base stay where they are: the promise of space for
 * them is the store's free space, and ENOSPC comes at the write [D5].
 */
static int allocate_chunk(struct overlay *o, struct inode *i, struct group *g,
			  struct fresh_pages *f, mapfs_pgno first,
			  uint64_t count, uint64_t *done)
{
	const mapfs_pgno shows = page_ceil(i->delta->attr.visible_base_bytes);
	struct pt_run run;
	uint64_t n;

	pagetable_lookup(&i->delta->pages, first, count, &run);
	n = run.count;
	if (run.kind == PT_BASE && first < shows) {
		*done = n < shows - first ? n : shows - first;
		return 0;
	}
	if (run.kind == PT_ARENA) {
		*done = n;
		return 0;
	}
	if (n > ZERO_CHUNK_BYTES / MAPFS_PAGE_SIZE)
		n = ZERO_CHUNK_BYTES / MAPFS_PAGE_SIZE;
	*done = n;
	return overlay_write_pages(o, i, g, f, zeros, n * MAPFS_PAGE_SIZE,
				   first * MAPFS_PAGE_SIZE);
}

/*
 * Zeros that have a place: what fallocate(2) promises of a zeroed range, that
 * writing there does not fail for lack of space.  Pages that are private
 * already take the zeros as they would a write's, so that a full disk is no
 * obstacle; and no reader ever sees the bytes behind the end.
 */
static int zero_chunk(struct overlay *o, struct inode *i, struct group *g,
		      struct fresh_pages *f, uint64_t off, uint64_t end,
		      uint64_t *done)
{
	uint64_t n = ZERO_CHUNK_BYTES - (off & (MAPFS_PAGE_SIZE - 1));

	if (n > end - off)
		n = end - off;
	*done = n;
	return overlay_write_pages(o, i, g, f, zeros, n, off);
}

/*
 * Asking for more than there is must not first fill the disk to the last
 * page: what is needed is counted before any of it is taken.  `zero`: pages
 * that are the base's or pinned are needed, too.
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
			uint64_t own = overlay_writable_pages(o, &run);

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
 * Chunk by chunk, each its own group; a file half allocated is no harm, and
 * one half zeroed is what a disk leaves behind, too.
 */
static int allocate(struct overlay *o, struct inode *i, uint64_t off,
		    uint64_t end, bool zero)
{
	const mapfs_pgno last = page_ceil(end);
	mapfs_pgno at = page_of(off);
	int err = check_room(o, i, at, last, zero);

	while (!err && (zero ? off < end : at < last)) {
		struct fresh_pages fresh;
		struct group g;
		uint64_t done = 0;

		group_init(&g);
		fresh_init(&fresh);
		err = zero ? zero_chunk(o, i, &g, &fresh, off, end, &done) :
			     allocate_chunk(o, i, &g, &fresh, at, last - at,
					    &done);
		if (!err)
			err = store_apply(o->store, &g, i);
		if (err)
			fresh_undo(o, &fresh);
		else
			store_touch(o->store);
		group_fini(&g);
		if (zero)
			off += done;
		else
			at += done;
	}
	return err;
}

static int finish_fallocate(struct overlay *o, struct inode *i, struct group *g,
			    struct fresh_pages *fresh, uint64_t grow_to)
{
	struct record r = { .type = RECORD_ATTR, .attr = i->delta->attr };
	int err;

	(void)overlay_touch(o, &r.attr);
	if (grow_to > r.attr.size_bytes)
		r.attr.size_bytes = grow_to;
	group_add(g, &r);
	err = store_apply(o->store, g, i);
	if (err)
		fresh_undo(o, fresh);
	return err;
}

static int fallocate_locked(struct overlay *o, struct inode *i, int mode,
			    uint64_t off, uint64_t end)
{
	const bool keep = mode & FALLOC_FL_KEEP_SIZE;
	const bool punch = mode & FALLOC_FL_PUNCH_HOLE;
	struct fresh_pages fresh;
	struct group g;
	int err;

	err = store_may_change(o->store);
	if (!err && !punch)
		err = allocate(o, i, off, end, mode & FALLOC_FL_ZERO_RANGE);
	if (err)
		return err;
	group_init(&g);
	fresh_init(&fresh);
	err = overlay_add_drop_caps(o, i, &g);
	if (!err && punch)
		err = add_zeroes(o, i, &g, &fresh, off, end);
	if (!err)
		err = finish_fallocate(o, i, &g, &fresh, keep ? 0 : end);
	else
		fresh_undo(o, &fresh);
	group_fini(&g);
	return err;
}

static int fallocate_once(struct overlay *o, mapfs_ino ino, int mode,
			  uint64_t off, uint64_t end)
{
	struct inode *i;
	int err = overlay_change_begin(o, ino, &i);

	if (err)
		return err;
	if (!S_ISREG(i->type))
		err = S_ISDIR(i->type) ? -EISDIR : -ENODEV;
	else
		err = fallocate_locked(o, i, mode, off, end);
	overlay_change_end(o, i);
	return err;
}

int overlay_fallocate(struct mapfs_view *v, struct mapfs_file file, int mode,
		      uint64_t off, uint64_t len)
{
	struct overlay *o = overlay_of(v);
	const uint64_t made = store_made_room(o->store);
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
		     FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && (mode & FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	err = fallocate_once(o, file.ino, mode, off, off + len);
	if (store_make_room(o->store, err, made))
		err = fallocate_once(o, file.ino, mode, off, off + len);
	return err;
}

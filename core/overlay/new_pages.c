/* SPDX-License-Identifier: MIT */
/*
 * New pages are filled first and named by a record after, so that no record
 * ever names a page that does not hold its bytes yet [D2].
 */
#include "new_pages.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/store/intent.h"
#include "damage.h"
#include "read.h"

/* Bytes to be written; a part of what new_pages_write() was given. */
struct bytes {
	const char *buf;
	size_t len;
	uint64_t off; /* in the file */
};

static void bytes_advance(struct bytes *b, size_t n)
{
	b->buf += n;
	b->len -= n;
	b->off += n;
}

static size_t offset_in_page(uint64_t off)
{
	return off & (MAPFS_PAGE_SIZE - 1);
}

static struct arena *arena_of(const struct new_pages *n)
{
	return store_arena(n->o->store);
}

void new_pages_begin(struct new_pages *n, struct overlay *o, struct inode *i)
{
	n->o = o;
	n->i = i;
	n->count = 0;
	group_init(&n->group);
}

static void give_back(struct new_pages *n)
{
	while (n->count > 0) {
		n->count--;
		arena_unalloc(arena_of(n), n->run[n->count].first,
			      n->run[n->count].count);
	}
}

int new_pages_end(struct new_pages *n, int err)
{
	/* Bytes were written in place, if any. */
	if (n->count == 0)
		n->group.space = SPACE_FREES;
	if (!err)
		err = store_apply(n->o->store, &n->group, n->i);
	if (err)
		give_back(n);
	group_fini(&n->group);
	return err;
}

/* The page behind the one before `pgno`, so that a file lies in long runs. */
static mapfs_apage wished_page(const struct inode *i, mapfs_pgno pgno)
{
	struct pt_run before;

	if (pgno == 0)
		return UINT64_MAX;
	pagetable_lookup(&i->delta->pages, pgno - 1, 1, &before);
	return before.kind == PT_ARENA ? before.apage + 1 : UINT64_MAX;
}

/* At most `want` pages. */
static int take_run(struct new_pages *n, uint64_t want, mapfs_apage wish,
		    mapfs_apage *apage, uint64_t *got)
{
	int err;

	if (n->count == NEW_PAGES_RUNS)
		return -ENOSPC;
	err = arena_alloc(arena_of(n), want, wish, apage, got);
	if (err)
		return err;
	n->run[n->count].first = *apage;
	n->run[n->count].count = *got;
	n->count++;
	return 0;
}

static void add_run(struct new_pages *n, mapfs_pgno first, uint64_t count,
		    mapfs_apage apage)
{
	group_add(&n->group, &(struct record){
		.type = RECORD_PAGES,
		.pages = {
			.ino = n->i->ino,
			.first = first,
			.count = count,
			.kind = PT_ARENA,
			.apage = apage,
		},
	});
}

/* One new page: the file's bytes, and over them `b`, a part of the page. */
static int fill_part(struct new_pages *n, mapfs_apage apage,
		     const struct bytes *b)
{
	const size_t within = offset_in_page(b->off);
	const uint64_t start = b->off - within;
	uint8_t page[MAPFS_PAGE_SIZE];
	int err = 0;

	if (start < n->i->delta->attr.size_bytes)
		err = overlay_read_pages(n->o, n->i, page, sizeof(page), start);
	else
		memset(page, 0, sizeof(page));
	if (err)
		return err;
	memcpy(page + within, b->buf, b->len);
	return arena_write(arena_of(n), apage * MAPFS_PAGE_SIZE, page,
			   sizeof(page));
}

/* New pages from `apage` on: as many as the bytes need. */
static int fill_run(struct new_pages *n, mapfs_apage apage, struct bytes b)
{
	int err = 0;

	while (b.len > 0 && !err) {
		const size_t within = offset_in_page(b.off);
		struct bytes part = b;

		if (within != 0 || b.len < MAPFS_PAGE_SIZE) {
			if (part.len > MAPFS_PAGE_SIZE - within)
				part.len = MAPFS_PAGE_SIZE - within;
			err = fill_part(n, apage, &part);
		} else {
			part.len &= ~(size_t)(MAPFS_PAGE_SIZE - 1);
			err = arena_write(arena_of(n), apage * MAPFS_PAGE_SIZE,
					  part.buf, part.len);
		}
		bytes_advance(&b, part.len);
		apage += page_ceil(within + part.len);
	}
	return err;
}

/* The first of the bytes to at most `want` new pages; *done is how many. */
static int write_new(struct new_pages *n, const struct bytes *b, uint64_t want,
		     size_t *done)
{
	const mapfs_pgno pgno = page_of(b->off);
	struct bytes part = *b;
	mapfs_apage apage;
	uint64_t got;
	int err = take_run(n, want, wished_page(n->i, pgno), &apage, &got);

	if (err)
		return err;
	if (part.len > got * MAPFS_PAGE_SIZE - offset_in_page(b->off))
		part.len = got * MAPFS_PAGE_SIZE - offset_in_page(b->off);
	assert(page_ceil(part.off + part.len) - pgno <= got);
	*done = part.len;
	err = fill_run(n, apage, part);
	if (err)
		return err;
	add_run(n, pgno, got, apage);
	return 0;
}

uint64_t new_pages_in_place(struct overlay *o, const struct pt_run *run)
{
	bool is_pinned;
	uint64_t n;

	if (run->kind != PT_ARENA)
		return 0;
	n = arena_find_pinned(store_arena(o->store), run->apage, run->count,
			      &is_pinned);
	return is_pinned ? 0 : n;
}

/* Over pages that only this file has; a page is not written twice. */
static int overwrite(struct new_pages *n, const struct pt_run *run,
		     const struct bytes *b, size_t len)
{
	const size_t within = offset_in_page(b->off);
	const uint64_t count = page_ceil(within + len);
	int err = store_overwrite_begin(n->o->store, run->apage, count);

	if (err)
		return err;
	err = arena_write(arena_of(n), run->apage * MAPFS_PAGE_SIZE + within,
			  b->buf, len);
	store_overwrite_end(n->o->store, run->apage, count);
	if (err != -EBADMSG)
		return err;
	/* A part of a damaged page would make the rest look sound. */
	overlay_note_damage(n->o, n->i, run, count);
	return -EIO;
}

int new_pages_write(struct new_pages *n, const void *buf, size_t len,
		    uint64_t off)
{
	struct bytes b = { .buf = buf, .len = len, .off = off };
	int err = 0;

	while (b.len > 0) {
		const size_t within = offset_in_page(b.off);
		struct pt_run run;
		uint64_t in_place;
		size_t done = 0;

		pagetable_lookup(&n->i->delta->pages, page_of(b.off),
				 page_ceil(within + b.len), &run);
		in_place = new_pages_in_place(n->o, &run);
		if (in_place > 0) {
			done = in_place * MAPFS_PAGE_SIZE - within;
			if (done > b.len)
				done = b.len;
			err = overwrite(n, &run, &b, done);
		} else {
			err = write_new(n, &b, run.count, &done);
		}
		if (err)
			return err;
		bytes_advance(&b, done);
	}
	return 0;
}

int new_pages_replace(struct new_pages *n, mapfs_pgno pgno,
		      const uint8_t page[MAPFS_PAGE_SIZE])
{
	mapfs_apage apage;
	uint64_t got;
	int err = take_run(n, 1, UINT64_MAX, &apage, &got);

	if (err)
		return err;
	err = arena_write(arena_of(n), apage * MAPFS_PAGE_SIZE, page,
			  MAPFS_PAGE_SIZE);
	add_run(n, pgno, 1, apage);
	return err;
}

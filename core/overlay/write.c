/* SPDX-License-Identifier: MIT */
/*
 * Writing to a copy view.  A page that is already private and not pinned is
 * written in place; any other gets a new page of the arena, filled first and
 * named by a record after, so that no record ever names a page that does not
 * hold its bytes yet [D2] [P1].
 */
#include "overlay_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One group covers at most this much: 1 MiB and two cut pages. */
#define WRITE_CHUNK_BYTES (1U << 20)
#define COPY_CHUNK_BYTES (256U << 10)

void fresh_init(struct fresh_pages *f)
{
	f->count = 0;
}

void fresh_undo(struct overlay *o, struct fresh_pages *f)
{
	while (f->count > 0) {
		f->count--;
		arena_unalloc(store_arena(o->store), f->run[f->count].first,
			      f->run[f->count].count);
	}
}

/* Right behind the page before, so that files lie in long runs. */
static mapfs_apage wish_for(const struct inode *i, mapfs_pgno pgno)
{
	struct pt_run before;

	if (pgno == 0)
		return UINT64_MAX;
	pagetable_lookup(&i->delta->pages, pgno - 1, 1, &before);
	return before.kind == PT_ARENA ? before.apage + 1 : UINT64_MAX;
}

/* Fills one new page: what the file has there, then our bytes over it. */
static int fill_cut_page(struct overlay *o, struct inode *i, mapfs_apage apage,
			 mapfs_pgno pgno, const void *buf, size_t len,
			 size_t within)
{
	uint8_t page[MAPFS_PAGE_SIZE];
	int err = 0;

	if (pgno * MAPFS_PAGE_SIZE < i->delta->attr.size_bytes)
		err = overlay_read_pages(o, i, page, sizeof(page),
					 pgno * MAPFS_PAGE_SIZE);
	else
		memset(page, 0, sizeof(page));
	if (err)
		return err;
	memcpy(page + within, buf, len);
	return arena_write(store_arena(o->store), apage * MAPFS_PAGE_SIZE, page,
			   sizeof(page));
}

/* Fills `count` new pages from `pgno` on with our bytes at `off`. */
static int fill_run(struct overlay *o, struct inode *i, mapfs_apage apage,
		    uint64_t count, const char *buf, size_t len, uint64_t off)
{
	mapfs_pgno pgno = page_of(off);
	int err = 0;

	assert(page_ceil(off + len) - pgno <= count);
	(void)count;
	while (len > 0 && !err) {
		size_t within = off & (MAPFS_PAGE_SIZE - 1);
		size_t n;

		if (within != 0 || len < MAPFS_PAGE_SIZE) {
			n = MAPFS_PAGE_SIZE - within;
			if (n > len)
				n = len;
			err = fill_cut_page(o, i, apage, pgno, buf, n, within);
		} else {
			n = len & ~(size_t)(MAPFS_PAGE_SIZE - 1);
			err = arena_write(store_arena(o->store),
					  apage * MAPFS_PAGE_SIZE, buf, n);
		}
		buf += n;
		off += n;
		len -= n;
		apage += page_ceil(within + n);
		pgno += page_ceil(within + n);
	}
	return err;
}

/* Moves the start of [off, off+len) to new pages; *done bytes of it. */
static int write_fresh(struct overlay *o, struct inode *i, struct group *g,
		       struct fresh_pages *f, const char *buf, size_t len,
		       uint64_t off, uint64_t want, size_t *done)
{
	mapfs_pgno pgno = page_of(off);
	size_t within = off & (MAPFS_PAGE_SIZE - 1);
	mapfs_apage apage;
	uint64_t got;
	int err;

	if (f->count == OVERLAY_FRESH_MAX)
		return -ENOSPC;
	err = arena_alloc(store_arena(o->store), want, wish_for(i, pgno),
			  &apage, &got);
	if (err)
		return err;
	f->run[f->count].first = apage;
	f->run[f->count].count = got;
	f->count++;
	*done = got * MAPFS_PAGE_SIZE - within;
	if (*done > len)
		*done = len;
	err = fill_run(o, i, apage, got, buf, *done, off);
	if (err)
		return err;
	group_add(g, &(struct record){
		.type = RECORD_PAGES,
		.pages = {
			.ino = i->ino,
			.first = pgno,
			.count = got,
			.kind = PT_ARENA,
			.apage = apage,
		},
	});
	return 0;
}

uint64_t overlay_writable_pages(struct overlay *o, const struct pt_run *run)
{
	uint64_t n = 0;

	if (run->kind != PT_ARENA)
		return 0;
	while (n < run->count &&
	       !arena_is_pinned(store_arena(o->store), run->apage + n))
		n++;
	return n;
}

int overlay_write_pages(struct overlay *o, struct inode *i, struct group *g,
			struct fresh_pages *f, const void *buf, size_t len,
			uint64_t off)
{
	const char *p = buf;
	int err = 0;

	while (len > 0 && !err) {
		size_t within = off & (MAPFS_PAGE_SIZE - 1);
		struct pt_run run;
		uint64_t in_place;
		size_t n = 0;

		pagetable_lookup(&i->delta->pages, page_of(off),
				 page_ceil(within + len), &run);
		in_place = overlay_writable_pages(o, &run);
		if (in_place > 0) {
			n = in_place * MAPFS_PAGE_SIZE - within;
			if (n > len)
				n = len;
			err = arena_write(store_arena(o->store),
					  run.apage * MAPFS_PAGE_SIZE + within,
					  p, n);
		} else {
			err = write_fresh(o, i, g, f, p, len, off, run.count,
					  &n);
		}
		if (err)
			break;
		p += n;
		off += n;
		len -= n;
	}
	return err;
}

/* What the write does to the attributes; false: nothing. */
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

/* All of `w`, which is at most WRITE_CHUNK_BYTES. */
static int write_chunk(struct overlay *o, struct inode *i,
		       const struct mapfs_write *w)
{
	struct record r = { .type = RECORD_ATTR, .attr = i->delta->attr };
	struct fresh_pages fresh;
	struct group g;
	int err;

	group_init(&g);
	fresh_init(&fresh);
	err = store_may_change(o->store);
	/*
	 * At a write(2) to its cache the kernel has removed them already; what
	 * the file has now came later, and a store to a mapping takes nothing.
	 */
	if (!err && !(w->flags & MAPFS_WRITE_CACHED))
		err = overlay_add_drop_caps(o, i, &g);
	if (!err)
		err = overlay_write_pages(o, i, &g, &fresh, w->buf, w->len,
					  w->off);
	if (!err && attr_after_write(o, &r.attr, w->off + w->len))
		group_add(&g, &r);
	if (!err)
		err = store_apply(o->store, &g, i);
	if (err)
		fresh_undo(o, &fresh);
	else
		store_touch(o->store);
	group_fini(&g);
	return err;
}

/* Goes on behind the first *done bytes; *done says how far it came. */
static int write_on(struct overlay *o, mapfs_ino ino,
		    const struct mapfs_write *w, size_t *done)
{
	const bool is_cached = w->flags & MAPFS_WRITE_CACHED;
	struct inode *i;
	int err = overlay_change_begin(o, ino, &i);

	/*
	 * A rollback took the inode away, with all that was written to it; as
	 * an error this would come back from close(2) and syncfs(2).
	 */
	if (err == -ESTALE && is_cached) {
		*done = w->len;
		return 0;
	}
	if (err)
		return err;
	if (!S_ISREG(i->type))
		err = S_ISDIR(i->type) ? -EISDIR : -EINVAL;
	/* Pages of a time that a rollback or revert took back. */
	if (!err && is_cached && i->is_stale)
		*done = w->len;
	while (!err && *done < w->len) {
		struct mapfs_write chunk = {
			.buf = (const char *)w->buf + *done,
			.len = w->len - *done,
			.off = w->off + *done,
			.flags = w->flags,
		};

		if (chunk.len > WRITE_CHUNK_BYTES)
			chunk.len = WRITE_CHUNK_BYTES;
		err = write_chunk(o, i, &chunk);
		if (!err)
			*done += chunk.len;
	}
	overlay_change_end(o, i);
	return err;
}

ssize_t overlay_write(struct mapfs_view *v, struct mapfs_file file,
		      const struct mapfs_write *write)
{
	struct overlay *o = overlay_of(v);
	const uint64_t made = store_made_room(o->store);
	size_t done = 0;
	int err = write_on(o, file.ino, write, &done);

	if (store_make_room(o->store, err, made))
		err = write_on(o, file.ino, write, &done);
	return done > 0 ? (ssize_t)done : err;
}

/*
 * copy_file_range(2) with ranges that overlap is refused by the kernel, which
 * also takes set-id bits away first; the two inodes are never locked at once,
 * as they may share a stripe.
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

/* SPDX-License-Identifier: MIT */
/*
 * Inodes are visited by number, so that a check that was interrupted knows
 * where to continue: the pages of inodes before that are read again only if
 * they were found damaged.
 */
#include "pages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "core/arena/data.h"
#include "core/arena/page_sums.h"
#include "core/arena/sums.h"
#include "core/lib/io.h"
#include "core/overlay/path.h"
#include "core/store/layout.h"

#define SEEN_MOST_PAGES (1ULL << 32)

enum seen {
	SEEN_NOT,
	SEEN_SOUND,
	SEEN_DAMAGED,
};

/* The walk over one state. */
struct pages_walk {
	struct check_ctx *c;
	struct mapfs_view *v;
	struct arena *arena; /* whose sums count */
	const char *name;
	uint64_t id;
	const struct mapfs_check_position *from; /* NULL: from the start */
	struct page_damage *last;		 /* the run that may grow */
};

static int by_number(const void *a, const void *b)
{
	mapfs_ino x = *(const mapfs_ino *)a;
	mapfs_ino y = *(const mapfs_ino *)b;

	return (x > y) - (x < y);
}

static bool is_before(const struct pages_walk *w, mapfs_ino ino)
{
	const struct mapfs_check_position *p = w->from;

	return p &&
	       (w->id < p->snapshot || (w->id == p->snapshot && ino < p->ino));
}

static bool was_damaged(const struct pages_walk *w, mapfs_apage page)
{
	for (size_t n = 0; n < w->from->bad_count; n++)
		if (page >= w->from->bad[n].first &&
		    page < w->from->bad[n].first + w->from->bad[n].count)
			return true;
	return false;
}

/* What the first reading of the page found.  NULL: it is read each time. */
static uint8_t *seen_of(struct check_ctx *c, mapfs_apage page)
{
	uint64_t cap = c->seen_pages ? c->seen_pages : 1024;
	uint8_t *more;

	if (!c->present_is_whole || page >= SEEN_MOST_PAGES)
		return NULL;
	if (page < c->seen_pages)
		return &c->seen[page];
	while (cap <= page)
		cap *= 2;
	more = realloc(c->seen, cap);
	if (!more)
		return NULL;
	memset(more + c->seen_pages, 0, cap - c->seen_pages);
	c->seen = more;
	c->seen_pages = cap;
	return &c->seen[page];
}

static bool has_page(const struct page_damage *d, mapfs_apage page)
{
	return d && page >= d->apage && page < d->apage + d->count;
}

/* States mostly have the same pages in the same order. */
static struct page_damage *find_damage(struct check_ctx *c, mapfs_apage page)
{
	struct page_damage *d = c->hint ? c->hint->next : NULL;

	if (has_page(c->hint, page))
		return c->hint;
	if (!has_page(d, page))
		DL_FOREACH(c->pages, d)
			if (has_page(d, page))
				break;
	c->hint = d;
	return d;
}

static int add_name(const struct pages_walk *w, struct page_damage *d)
{
	if (!w->name) {
		d->names.is_present = true;
		return 0;
	}
	if (d->names.count &&
	    strcmp(d->names.name[d->names.count - 1], w->name) == 0)
		return 0;
	return names_add(&d->names, w->name);
}

static int add_damage(struct pages_walk *w, const struct delta *delta,
		      mapfs_pgno pgno, mapfs_apage page)
{
	struct page_damage *d = w->last;

	if (d && d->ino == delta->attr.ino && pgno == d->first + d->count &&
	    page == d->apage + d->count) {
		d->count++;
		return 0;
	}
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->apage = page;
	d->count = 1;
	d->ino = delta->attr.ino;
	d->first = pgno;
	d->size_bytes = delta->attr.size_bytes;
	DL_APPEND(w->c->pages, d);
	w->last = d;
	/* A file that is open, but has no name, has no path. */
	if (overlay_find_path(w->v, d->ino, &d->path))
		d->path = NULL;
	return add_name(w, d);
}

/* 1: it is sound; 0: damaged; or an error that is no damage. */
static int read_page(const struct pages_walk *w, mapfs_apage page)
{
	uint8_t buf[MAPFS_PAGE_SIZE];
	int err = arena_read(w->arena, page << MAPFS_PAGE_SHIFT, buf,
			     sizeof(buf));

	if (!err)
		return 1;
	return err == -EIO || err == -EBADMSG || err == -EUCLEAN ? 0 : err;
}

/* Reads the page, unless an earlier check did so. */
static int judge_page(struct pages_walk *w, mapfs_ino ino, mapfs_apage page,
		      uint8_t *out)
{
	int err = check_step(w->c, MAPFS_PAGE_SIZE);
	int ok = 1;

	if (!err && (!is_before(w, ino) || was_damaged(w, page))) {
		ok = read_page(w, page);
		w->c->out->pages++;
	}
	*out = ok ? SEEN_SOUND : SEEN_DAMAGED;
	return err ? err : ok < 0 ? ok : 0;
}

static int check_page(struct pages_walk *w, const struct delta *delta,
		      mapfs_pgno pgno, mapfs_apage page)
{
	struct page_damage *d;
	uint8_t *seen = seen_of(w->c, page);
	uint8_t now = seen ? *seen : SEEN_NOT;
	int err;

	if (apage_arena(page) == 0 && page >= w->c->pages_end)
		w->c->pages_end = page + 1;
	if (now == SEEN_NOT) {
		err = judge_page(w, delta->attr.ino, page, &now);
		if (err)
			return err;
		if (seen)
			*seen = now;
	}
	if (now != SEEN_DAMAGED)
		return 0;
	d = w->c->pages ? find_damage(w->c, page) : NULL;
	return d ? add_name(w, d) : add_damage(w, delta, pgno, page);
}

static int check_inode(struct pages_walk *w, const struct delta *delta)
{
	struct pt_run run;
	mapfs_pgno at = 0;
	int err = 0;

	w->last = NULL;
	while (!err && pagetable_next(&delta->pages, at, &run)) {
		for (uint64_t n = 0;
		     !err && run.kind == PT_ARENA && n < run.count; n++)
			err = check_page(w, delta, run.first + n,
					 run.apage + n);
		at = run.first + run.count;
	}
	return err;
}

/* Where an interrupted check stopped. */
static int note_position(struct pages_walk *w, mapfs_ino ino)
{
	struct mapfs_check_position *p = &w->c->out->position;
	struct page_damage *d;
	size_t count;

	DL_COUNT(w->c->pages, d, count);
	p->snapshot = w->id;
	p->ino = ino;
	p->bad = calloc(count + 1, sizeof(*p->bad));
	if (!p->bad)
		return -ENOMEM;
	DL_FOREACH(w->c->pages, d) {
		p->bad[p->bad_count].first = d->apage;
		p->bad[p->bad_count++].count = d->count;
	}
	return -EINTR;
}

int pages_check(struct check_ctx *c, struct mapfs_view *v, const char *name,
		uint64_t id)
{
	struct overlay *o = overlay_of(v);
	struct pages_walk w = {
		.c = c,
		.v = v,
		.name = name,
		.id = id,
		.arena = store_arena(c->present_is_whole ?
					     overlay_of(c->present)->store :
					     o->store),
		.from = c->from,
	};
	mapfs_ino *inos = NULL;
	size_t count = 0;
	int err = itable_list_kept(o->itable, &inos, &count);

	if (!err && count)
		qsort(inos, count, sizeof(*inos), by_number);
	for (size_t n = 0; !err && n < count; n++) {
		struct inode *i = itable_get(o->itable, inos[n]);

		if (i->delta && S_ISREG(i->delta->attr.mode))
			err = check_inode(&w, i->delta);
		(void)inode_put(o->itable, i);
		if (err == -EINTR)
			err = note_position(&w, inos[n]);
	}
	free(inos);
	return err;
}

/* Is the run where it was, and still damaged? */
static bool is_still_damaged(struct overlay *o, const struct page_damage *d)
{
	struct pages_walk w = { .arena = store_arena(o->store) };
	struct inode *i = itable_get(o->itable, d->ino);
	bool is_bad = false;
	struct pt_run run;

	for (uint64_t n = 0; i && i->delta && !is_bad && n < d->count; n++) {
		pagetable_lookup(&i->delta->pages, d->first + n, 1, &run);
		is_bad = run.kind == PT_ARENA && run.apage == d->apage + n &&
			 read_page(&w, run.apage) == 0;
	}
	if (i)
		(void)inode_put(o->itable, i);
	return is_bad;
}

static void free_damage(struct page_damage *d)
{
	names_fini(&d->names);
	free(d->path);
	free(d);
}

int pages_check_again(struct check_ctx *c, struct mapfs_view *v)
{
	struct page_damage *d;
	struct page_damage *tmp;

	DL_FOREACH_SAFE(c->pages, d, tmp) {
		if (d->names.count > 0 || is_still_damaged(overlay_of(v), d))
			continue;
		DL_DELETE(c->pages, d);
		free_damage(d);
	}
	c->hint = NULL;
	return 0;
}

/*
 * A sum that the bytes do not have: the complement of theirs.  Bytes that cannot
 * be read are zeros in a copy of the file.
 */
static le64 unfitting_sum(const struct check_ctx *c, uint64_t page)
{
	uint8_t buf[MAPFS_PAGE_SIZE] = { 0 };
	uint64_t sum;
	int fd = openat(c->dirfd, STORE_PAGES,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd >= 0) {
		if (io_pread_some(fd, buf, sizeof(buf),
				  page << MAPFS_PAGE_SHIFT) < 0)
			memset(buf, 0, sizeof(buf));
		close(fd);
	}
	sum = ~page_sum(buf, page);
	return le64_of(sum ? sum : 1);
}

int pages_keep_damaged(struct check_ctx *c, struct arena *a)
{
	struct page_damage *d;
	int err = 0;

	DL_FOREACH(c->pages, d) {
		/* Those of a parent are damaged there. */
		if (apage_arena(d->apage) > 0)
			continue;
		for (uint64_t n = 0; !err && n < d->count; n++) {
			const le64 sum = unfitting_sum(c, d->apage + n);

			err = arena_set_sums(a, d->apage + n, &sum, 1);
		}
		if (err)
			break;
	}
	return err;
}

static int report(struct check_ctx *c, const struct page_damage *d)
{
	uint64_t off = d->first * MAPFS_PAGE_SIZE;
	uint64_t end = (d->first + d->count) * MAPFS_PAGE_SIZE;
	struct mapfs_check_damage out = {
		.kind = MAPFS_DAMAGE_PAGES,
		.path = d->path,
		.off_bytes = off,
		.file = "pages",
		.file_off = apage_in_arena(d->apage) * MAPFS_PAGE_SIZE,
		.file_len = d->count * MAPFS_PAGE_SIZE,
	};

	if (end > d->size_bytes && d->size_bytes > off)
		end = d->size_bytes;
	out.len_bytes = end - off;
	names_lend(&d->names, &out);
	c->out->pages_damaged += d->count;
	return check_report(c, &out,
			    "%s: bytes %" PRIu64 " to %" PRIu64
			    " are damaged, at byte %" PRIu64 " of %s",
			    d->path ? d->path : "a file without a name", off,
			    end - 1, out.file_off,
			    apage_arena(d->apage) > 0 ? "a parent's pages" :
							"pages");
}

static int by_path(struct page_damage *a, struct page_damage *b)
{
	int ret = strcmp(a->path ? a->path : "", b->path ? b->path : "");

	return ret ? ret : (a->first > b->first) - (a->first < b->first);
}

int pages_report(struct check_ctx *c)
{
	struct page_damage *d;
	int err = 0;

	DL_SORT(c->pages, by_path);
	DL_FOREACH(c->pages, d) {
		err = report(c, d);
		if (err)
			break;
	}
	return err;
}

void pages_fini(struct check_ctx *c)
{
	struct page_damage *d;
	struct page_damage *tmp;

	DL_FOREACH_SAFE(c->pages, d, tmp) {
		DL_DELETE(c->pages, d);
		free_damage(d);
	}
	free(c->seen);
}

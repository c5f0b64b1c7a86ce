/* SPDX-License-Identifier: MIT */
/*
 * Bytes of two files compared.
 *
 * Two versions of one file have the same bytes where neither delta has a page.
 * So only the pages of the two page tables are read, and the bytes between the
 * two visible base sizes.  Two different files are read as far as both have
 * bytes.
 * Either way holes that both have are skipped.
 */
#include "content.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/overlay/read.h"

#define CHUNK_BYTES (256U << 10)

struct comparison {
	struct differ *d;
	const struct diff_object *object[SIDES];
	struct difference *out;
	char *buf[SIDES];   /* of the differ, once a span is read */
	uint64_t next_page; /* pages below it are counted already */
};

static uint64_t count_unequal(const char *a, const char *b, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += a[i] != b[i];
	return n;
}

static int compare_chunk(struct comparison *c, uint64_t off, size_t len)
{
	for (size_t at = 0; at < len; at += MAPFS_PAGE_SIZE) {
		size_t n = len - at < MAPFS_PAGE_SIZE ? len - at :
							MAPFS_PAGE_SIZE;
		const char *a = c->buf[OLD] + at;
		const char *b = c->buf[NEW] + at;
		int err = 0;

		if (memcmp(a, b, n) == 0)
			continue;
		c->out->what |= MAPFS_WHAT_CONTENT;
		c->out->bytes += count_unequal(a, b, n);
		c->out->pages++;
		c->next_page = page_of(off + at) + 1;
		if (c->d->opt->want_ranges)
			err = difference_add_range(c->out, off + at, n);
		if (err)
			return err;
	}
	return 0;
}

/* A file that became shorter meanwhile reads as zeros behind its end. */
static int read_side(struct comparison *c, enum side s, size_t len,
		     uint64_t off)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = object_read(c->d, c->object[s], c->buf[s] + have,
					len - have, off + have);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	memset(c->buf[s] + have, 0, len - have);
	return 0;
}

static bool is_zero(const char *buf, size_t len)
{
	return len == 0 || (buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0);
}

static int tell_progress(struct differ *d, uint64_t bytes)
{
	d->done_bytes += bytes;
	if (!d->opt->progress)
		return 0;
	return d->opt->progress(d->opt->progress_arg, d->done_bytes);
}

/* After a chunk of zeros the next one begins at the first data of either. */
static int skip_holes(struct comparison *c, uint64_t *off)
{
	uint64_t data[SIDES];
	uint64_t first;
	int err = object_seek_data(c->d, c->object[OLD], *off, &data[OLD]);

	if (!err)
		err = object_seek_data(c->d, c->object[NEW], *off, &data[NEW]);
	if (err)
		return err;
	first = data[OLD] < data[NEW] ? data[OLD] : data[NEW];
	first &= ~(uint64_t)(MAPFS_PAGE_SIZE - 1);
	if (first > *off)
		*off = first;
	return 0;
}

/*
 * The buffers serve all files of a comparison: most files need none, and large
 * ones that come and go would make the C library change the address space of the
 * daemon each time, for which every thread waits.
 */
static int prepare_buffers(struct comparison *c)
{
	for (int i = OLD; i < SIDES; i++) {
		if (!c->d->buf[i])
			c->d->buf[i] = malloc(CHUNK_BYTES);
		if (!c->d->buf[i])
			return -ENOMEM;
		c->buf[i] = c->d->buf[i];
	}
	return 0;
}

/* `off` is the beginning of a page. */
static int compare_span(struct comparison *c, uint64_t off, uint64_t end)
{
	int err = off < end ? prepare_buffers(c) : 0;

	while (off < end && !err) {
		size_t len = end - off < CHUNK_BYTES ? (size_t)(end - off) :
						       CHUNK_BYTES;

		err = read_side(c, OLD, len, off);
		if (!err)
			err = read_side(c, NEW, len, off);
		if (!err)
			err = compare_chunk(c, off, len);
		off += len;
		if (!err && off < end && is_zero(c->buf[OLD], len) &&
		    is_zero(c->buf[NEW], len))
			err = skip_holes(c, &off);
		if (!err)
			err = tell_progress(c->d, len);
	}
	return err;
}

/* The bytes of the base that may show in the object. */
static uint64_t visible_bytes(const struct diff_object *s)
{
	return s->changed ? s->changed->attr.visible_base_bytes :
			    s->shown.size_bytes;
}

/* The first run of the object's page table at or after `pgno`. */
static bool next_run(const struct diff_object *s, mapfs_pgno pgno,
		     struct pt_run *run)
{
	struct rwlock *stripe;
	bool found;

	if (!s->o)
		return false;
	stripe = delta_stripe(&s->o->set, s->inode);
	rwlock_read(stripe);
	found = s->inode->delta &&
		pagetable_next(&s->inode->delta->pages, pgno, run);
	rwlock_unlock(stripe);
	return found;
}

/* Bytes of a file that are treated alike. */
struct span {
	uint64_t off;
	uint64_t end;
};

/* Makes `s` begin at off .. end - 1, or end there, whichever is first. */
static void span_cut(struct span *s, uint64_t off, uint64_t end)
{
	if (off < s->off) {
		s->end = end < s->off ? end : s->off;
		s->off = off;
	} else {
		if (off == s->off)
			off = end;
		if (off < s->end)
			s->end = off;
	}
}

/* The first span from `off` on, in which two versions may differ. */
static bool next_span(const struct comparison *c, uint64_t off,
		      struct span *out)
{
	const uint64_t a = visible_bytes(c->object[OLD]);
	const uint64_t b = visible_bytes(c->object[NEW]);
	const uint64_t gap = (a < b ? a : b) & ~(uint64_t)(MAPFS_PAGE_SIZE - 1);
	const uint64_t gap_end = page_ceil(a < b ? b : a) * MAPFS_PAGE_SIZE;
	struct span s = { UINT64_MAX, UINT64_MAX };
	struct pt_run run[SIDES] = { 0 };

	if (a != b && off < gap_end)
		span_cut(&s, gap > off ? gap : off, gap_end);
	for (int i = OLD; i < SIDES; i++)
		if (next_run(c->object[i], page_of(off), &run[i]))
			span_cut(&s, run[i].first * MAPFS_PAGE_SIZE,
				 (run[i].first + run[i].count) *
					 MAPFS_PAGE_SIZE);
	if (s.off == UINT64_MAX)
		return false;
	*out = s;
	return true;
}

/* Do both sides have the same pages of the arena there? */
static bool is_shared(const struct comparison *c, const struct span *s)
{
	const mapfs_pgno first = page_of(s->off);
	struct pt_run a;
	struct pt_run b;

	return c->d->shares_pages && next_run(c->object[OLD], first, &a) &&
	       next_run(c->object[NEW], first, &b) && a.first == first &&
	       b.first == first && a.kind == PT_ARENA && b.kind == PT_ARENA &&
	       a.apage == b.apage;
}

static int compare_versions(struct comparison *c, uint64_t size)
{
	struct span s = { 0 };
	int err = 0;

	while (!err && next_span(c, s.end, &s) && s.off < size)
		if (!is_shared(c, &s))
			err = compare_span(c, s.off,
					   s.end < size ? s.end : size);
	return err;
}

/* Counts the bytes of one file behind the end of the other. */
static int add_growth(struct comparison *c, uint64_t from, uint64_t to)
{
	int err;

	if (from == to)
		return 0;
	/* The page in which the shorter ends may be counted already. */
	if (from % MAPFS_PAGE_SIZE && c->next_page == page_ceil(from))
		c->out->pages--;
	err = difference_add(c->out, c->d->opt->want_ranges, from, to - from);
	c->out->what |= MAPFS_WHAT_CONTENT;
	return err;
}

/*
 * Has the base file changed since the view first changed it?  Then its content
 * in the view is not known any more, and reading it fails.
 */
static bool is_drifted(const struct diff_object *s)
{
	struct record_sig sig;
	struct statx stx;
	bool foreign;
	bool has_base;

	if (!s->o)
		return false;
	rwlock_read(delta_stripe(&s->o->set, s->inode));
	has_base = s->inode->delta && s->inode->delta->base;
	if (has_base)
		sig = s->inode->delta->base->sig;
	rwlock_unlock(delta_stripe(&s->o->set, s->inode));
	return has_base &&
	       (base_stat(s->o->base, s->inode, NULL, &stx, &foreign) ||
		!overlay_signature_fits(&sig, &stx));
}

static int compare_bytes(struct comparison *c, bool same_file)
{
	const uint64_t a = c->object[OLD]->shown.size_bytes;
	const uint64_t b = c->object[NEW]->shown.size_bytes;
	const uint64_t size = a < b ? a : b;
	int err = same_file ? compare_versions(c, size) :
			      compare_span(c, 0, size);

	if (!err)
		err = add_growth(c, size, a < b ? b : a);
	if (err != -EIO ||
	    !(is_drifted(c->object[OLD]) || is_drifted(c->object[NEW])))
		return err;
	/* Commit and status report it; here all of its bytes differ. */
	difference_fini(c->out);
	c->next_page = 0;
	return add_growth(c, 0, a < b ? b : a);
}

int content_compare(struct differ *d, const struct diff_object *a,
		    const struct diff_object *b, struct difference *out)
{
	const unsigned int what = out->what;
	struct comparison c = {
		.d = d,
		.object = { a, b },
		.out = out,
	};
	int err;

	if (a->id == b->id && !a->o && !b->o)
		return 0;
	err = compare_bytes(&c, a->id == b->id);
	out->what |= what;
	return err;
}

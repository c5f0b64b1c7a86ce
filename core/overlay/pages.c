/* SPDX-License-Identifier: MIT */
/*
 * The page table of a changed file has the answer; only holes of the base are
 * asked of the base.  A page in the arena belongs to a parent, which the number
 * of the page says, or else to this store, whose pins say whether a snapshot
 * has it, too.  A view of a snapshot has no pins, because all of its pages are
 * the snapshot's.
 */
#include "pages.h"

#include <errno.h>
#include <sys/stat.h>

#include "attr.h"
#include "core/base/read.h"
#include "core/view/run_list.h"
#include "inode.h"

struct pages_ctx {
	struct overlay *o;
	struct inode *i;
	struct run_list list;
};

static int seek_base(void *arg, uint64_t off, int whence, uint64_t *out)
{
	const struct pages_ctx *c = arg;

	return base_seek(c->o->base, c->i, off, whence, out);
}

static int add_base(struct pages_ctx *c, uint64_t off, uint64_t end)
{
	const struct run_seek seek = { .fn = seek_base, .arg = c };

	return run_list_add_base(&c->list, off, end, &seek);
}

/* Pages that are the base's: as far as its bytes show, then a hole. */
static int add_base_part(struct pages_ctx *c, uint64_t off, uint64_t end)
{
	const struct delta *d = c->i->delta;
	uint64_t shows = 0;
	int err = 0;

	if (d->base)
		shows = page_ceil(d->attr.visible_base_bytes) * MAPFS_PAGE_SIZE;
	if (shows > end)
		shows = end;
	if (off < shows) {
		err = add_base(c, off, shows);
		off = shows;
	}
	return err ? err : run_list_add(&c->list, off, end, MAPFS_SOURCE_HOLE);
}

static enum mapfs_source source_of(const struct pages_ctx *c, mapfs_apage page,
				   uint64_t *count)
{
	bool is_pinned;

	if (apage_arena(page) > 0)
		return MAPFS_SOURCE_PARENT;
	if (store_is_past(c->o->store))
		return MAPFS_SOURCE_SNAPSHOT;
	*count = arena_find_pinned(store_arena(c->o->store), page, *count,
				   &is_pinned);
	return is_pinned ? MAPFS_SOURCE_SNAPSHOT : MAPFS_SOURCE_PRIVATE;
}

/* The run begins in the page of `off`. */
static int add_arena(struct pages_ctx *c, const struct pt_run *run,
		     uint64_t off, uint64_t end)
{
	uint64_t done = 0;
	int err = 0;

	while (done < run->count && off < end && !err) {
		uint64_t n = run->count - done;
		enum mapfs_source source = source_of(c, run->apage + done, &n);
		uint64_t stop = (run->first + done + n) * MAPFS_PAGE_SIZE;

		if (stop > end)
			stop = end;
		err = run_list_add(&c->list, off, stop, source);
		off = stop;
		done += n;
	}
	return err;
}

static int add_changed(struct pages_ctx *c, uint64_t off, uint64_t end)
{
	const struct delta *d = c->i->delta;
	int err = 0;

	if (end > d->attr.size_bytes)
		end = d->attr.size_bytes;
	while (off < end && !err) {
		struct pt_run run;
		uint64_t stop;

		pagetable_lookup(&d->pages, page_of(off),
				 page_ceil(end) - page_of(off), &run);
		stop = (run.first + run.count) * MAPFS_PAGE_SIZE;
		if (stop > end)
			stop = end;
		switch (run.kind) {
		case PT_BASE:
			err = add_base_part(c, off, stop);
			break;
		case PT_HOLE:
			err = run_list_add(&c->list, off, stop,
					   MAPFS_SOURCE_HOLE);
			break;
		case PT_ARENA:
			err = add_arena(c, &run, off, stop);
			break;
		}
		off = stop;
	}
	return err;
}

static int add_unchanged(struct pages_ctx *c, uint64_t off, uint64_t end)
{
	struct mapfs_attr attr;
	int err = overlay_fill_attr(c->o, c->i, &attr);

	if (!err)
		err = add_base(c, off,
			       end < attr.size_bytes ? end : attr.size_bytes);
	return err;
}

static int add_all(struct pages_ctx *c, const struct mapfs_range *range)
{
	const uint64_t end = range->off_bytes + range->len_bytes;
	struct rwlock *stripe = delta_stripe(&c->o->set, c->i);
	bool changed;
	int err = 0;

	if (!S_ISREG(c->i->type))
		return S_ISDIR(c->i->type) ? -EISDIR : -EINVAL;
	rwlock_read(stripe);
	changed = c->i->delta != NULL;
	if (changed)
		err = add_changed(c, range->off_bytes, end);
	rwlock_unlock(stripe);
	/* An unchanged file needs no lock while the disk is read. */
	return changed ? err : add_unchanged(c, range->off_bytes, end);
}

int overlay_pages(struct mapfs_view *v, struct mapfs_file file,
		  const struct mapfs_range *range, mapfs_run_fn fn, void *arg)
{
	struct pages_ctx c = { .o = overlay_of(v) };
	int err = overlay_get(c.o, file.ino, &c.i);

	if (err)
		return err;
	err = add_all(&c, range);
	overlay_put(c.o, c.i);
	if (!err)
		err = run_list_tell(&c.list, fn, arg);
	run_list_fini(&c.list);
	return err;
}

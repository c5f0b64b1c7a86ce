/* SPDX-License-Identifier: MIT */
/*
 * The page table of a changed file says where each of its pages is; they are
 * read in runs as long as the table gives them.
 *
 * Pages of the base are good only as long as the base's signature fits,
 * because two versions of a file must never be mixed in silence.  The
 * signature is compared after the read, so that a change during the read is
 * seen, too; if it does not fit, the read fails with EIO.
 */
#include "read.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/log.h"
#include "damage.h"
#include "writer.h"

static int check_signature(struct overlay *o, struct inode *i)
{
	struct statx stx;
	bool foreign;
	int err = base_stat(o->base, i, NULL, &stx, &foreign);

	if (err)
		return err == -ENOENT || err == -ESTALE ? -EIO : err;
	if (overlay_signature_fits(&i->delta->base->sig, &stx))
		return overlay_check_writer(o, i);
	log_line(
		LOG_WARNING,
		"base file %s of a changed file was modified: reading it fails",
		i->base_name);
	return -EIO;
}

/* Pages that are the base's: its bytes as far as they show, then zeros. */
static int read_base_part(struct overlay *o, struct inode *i, void *buf,
			  size_t len, uint64_t off)
{
	const uint64_t visible = i->delta->attr.visible_base_bytes;
	size_t from_base = 0;
	ssize_t n;
	int err;

	if (i->delta->base && off < visible)
		from_base = visible - off < len ? visible - off : len;
	memset((char *)buf + from_base, 0, len - from_base);
	if (from_base == 0)
		return 0;
	err = overlay_guard(o, i);
	if (err)
		return err;
	n = base_read(o->base, i, buf, from_base, off);
	if (n < 0)
		return n == -ESTALE || n == -ENOENT ? -EIO : (int)n;
	if ((size_t)n != from_base)
		return -EIO;
	return check_signature(o, i);
}

int overlay_read_pages(struct overlay *o, struct inode *i, void *buf,
		       size_t len, uint64_t off)
{
	char *p = buf;
	int err = 0;

	while (len > 0 && !err) {
		uint64_t within = off & (MAPFS_PAGE_SIZE - 1);
		struct pt_run run;
		size_t n;

		pagetable_lookup(&i->delta->pages, page_of(off),
				 page_ceil(within + len), &run);
		n = run.count * MAPFS_PAGE_SIZE - within;
		if (n > len)
			n = len;
		switch (run.kind) {
		case PT_BASE:
			err = read_base_part(o, i, p, n, off);
			break;
		case PT_HOLE:
			memset(p, 0, n);
			break;
		case PT_ARENA:
			err = arena_read(store_arena(o->store),
					 run.apage * MAPFS_PAGE_SIZE + within,
					 p, n);
			if (err == -EBADMSG) {
				overlay_note_damage(o, i, &run,
						    page_ceil(within + n));
				err = -EIO;
			}
			break;
		}
		p += n;
		off += n;
		len -= n;
	}
	return err;
}

static ssize_t read_changed(struct overlay *o, struct inode *i, void *buf,
			    size_t len, uint64_t off)
{
	const uint64_t size = i->delta->attr.size_bytes;
	int err;

	if (off >= size)
		return 0;
	if (len > size - off)
		len = size - off;
	err = overlay_read_pages(o, i, buf, len, off);
	return err ? err : (ssize_t)len;
}

ssize_t overlay_read(struct mapfs_view *v, struct mapfs_file file, void *buf,
		     size_t len, uint64_t off)
{
	struct overlay *o = overlay_of(v);
	struct rwlock *stripe;
	struct inode *i;
	ssize_t n = 0;
	bool changed;
	int err = overlay_get(o, file.ino, &i);

	if (err)
		return err;
	if (!S_ISREG(i->type)) {
		n = S_ISDIR(i->type) ? -EISDIR : -EINVAL;
		goto put_inode;
	}
	stripe = delta_stripe(&o->set, i);
	rwlock_read(stripe);
	changed = i->delta != NULL;
	if (changed)
		n = read_changed(o, i, buf, len, off);
	rwlock_unlock(stripe);
	/* An unchanged file needs no lock while the disk is read. */
	if (!changed)
		n = base_read(o->base, i, buf, len, off);
put_inode:
	overlay_put(o, i);
	overlay_tell_damage(o);
	return n;
}

struct lseek_ctx {
	struct overlay *o;
	struct inode *i;
	int whence;
};

/* The same in a run of base pages, which ends at `end`. */
static int seek_base_part(const struct lseek_ctx *c, uint64_t off, uint64_t end,
			  uint64_t *out)
{
	const uint64_t visible = c->i->delta->attr.visible_base_bytes;
	uint64_t stop = end < visible ? end : visible;
	uint64_t at = stop;
	int err = 0;

	if (!c->i->delta->base || off >= visible) {
		*out = c->whence == SEEK_HOLE ? off : end;
		return 0;
	}
	err = base_seek(c->o->base, c->i, off, c->whence, &at);
	if (err == -ENXIO)
		at = stop;
	else if (err)
		return err;
	/* Behind the base's visible bytes there is a hole. */
	if (at >= stop)
		at = c->whence == SEEK_HOLE ? stop : end;
	*out = at;
	return 0;
}

/* The first byte at or after `off` that is data, or in a hole. */
static int seek_changed(const struct lseek_ctx *c, uint64_t off, uint64_t *out)
{
	const enum pt_kind wanted = c->whence == SEEK_DATA ? PT_ARENA : PT_HOLE;
	const uint64_t size = c->i->delta->attr.size_bytes;

	if (off >= size)
		return -ENXIO;
	while (off < size) {
		struct pt_run run;
		uint64_t end;
		uint64_t at;
		int err;

		pagetable_lookup(&c->i->delta->pages, page_of(off),
				 page_ceil(size) - page_of(off), &run);
		if (run.kind == wanted)
			break;
		end = (run.first + run.count) * MAPFS_PAGE_SIZE;
		at = end;
		if (run.kind == PT_BASE) {
			err = seek_base_part(c, off, end, &at);
			if (err)
				return err;
		}
		off = at;
		if (at < end)
			break;
	}
	if (off >= size) {
		if (c->whence == SEEK_DATA)
			return -ENXIO;
		off = size;
	}
	*out = off;
	return 0;
}

int overlay_lseek(struct mapfs_view *v, struct mapfs_file file, uint64_t off,
		  int whence, uint64_t *out)
{
	struct lseek_ctx c = { .o = overlay_of(v), .whence = whence };
	struct rwlock *stripe;
	bool changed;
	int err;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	err = overlay_get(c.o, file.ino, &c.i);
	if (err)
		return err;
	if (!S_ISREG(c.i->type)) {
		overlay_put(c.o, c.i);
		return -EINVAL;
	}
	stripe = delta_stripe(&c.o->set, c.i);
	rwlock_read(stripe);
	changed = c.i->delta != NULL;
	if (changed)
		err = seek_changed(&c, off, out);
	rwlock_unlock(stripe);
	if (!changed)
		err = base_seek(c.o->base, c.i, off, whence, out);
	overlay_put(c.o, c.i);
	return err;
}

ssize_t overlay_readlink(struct mapfs_view *v, mapfs_ino ino, char *buf,
			 size_t len)
{
	struct overlay *o = overlay_of(v);
	struct rwlock *stripe;
	struct inode *i;
	ssize_t n = -1;
	int err = overlay_get(o, ino, &i);

	if (err)
		return err;
	if (!S_ISLNK(i->type)) {
		overlay_put(o, i);
		return -EINVAL;
	}
	stripe = delta_stripe(&o->set, i);
	rwlock_read(stripe);
	if (i->delta && i->delta->target) {
		size_t have = strlen(i->delta->target);

		n = (ssize_t)(have < len ? have : len);
		memcpy(buf, i->delta->target, (size_t)n);
	}
	rwlock_unlock(stripe);
	if (n < 0)
		n = base_readlink(o->base, i, buf, len);
	overlay_put(o, i);
	return n;
}

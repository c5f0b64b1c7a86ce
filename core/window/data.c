/* SPDX-License-Identifier: MIT */
#include "data.h"

#include <errno.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "window.h"

static void set_outdated(struct window_view *wv, mapfs_ino below)
{
	for (size_t i = 0; i < wv->window_count; i++)
		if (atomic_load(&wv->windows[i].below) == below)
			atomic_store(&wv->windows[i].is_outdated, true);
}

/*
 * The view below says once that its file was changed in the base.  The kernel
 * caches pages of each window of it, and drops those of one that is opened.
 */
int window_open(struct mapfs_view *v, mapfs_ino ino, int flags, uint64_t *fh,
		bool *changed)
{
	struct window_view *wv = window_view_of(v);
	struct mapfs_file below;
	struct window *w;
	int err = window_get(wv, mapfs_file_of(ino), &w, &below);

	if (!err)
		err = mapfs_open(v->below, below.ino, flags, fh, changed);
	if (err)
		return err;
	if (*changed)
		set_outdated(wv, below.ino);
	*changed = atomic_exchange(&w->is_outdated, false);
	return 0;
}

bool window_only_appends(struct mapfs_view *v, uint64_t fh)
{
	return mapfs_only_appends(v->below, fh);
}

bool window_read_counts(struct mapfs_view *v, uint64_t fh)
{
	return mapfs_read_counts(v->below, fh);
}

void window_release(struct mapfs_view *v, uint64_t fh)
{
	mapfs_release(v->below, fh);
}

ssize_t window_read(struct mapfs_view *v, struct mapfs_file file, void *buf,
		    size_t len, uint64_t off)
{
	struct mapfs_file below;
	struct window *w;
	int err = window_get(window_view_of(v), file, &w, &below);

	if (err)
		return err;
	len = window_room(w, off, len);
	return len ? mapfs_read(v->below, below, buf, len, w->off_bytes + off) :
		     0;
}

ssize_t window_write(struct mapfs_view *v, struct mapfs_file file,
		     const struct mapfs_write *write)
{
	struct mapfs_write cut = *write;
	struct mapfs_file below;
	struct window *w;
	int err = window_get(window_view_of(v), file, &w, &below);

	if (err)
		return err;
	cut.len = window_room(w, write->off, write->len);
	if (cut.len == 0 && write->len > 0)
		return -ENOSPC;
	cut.off += w->off_bytes;
	return mapfs_write(v->below, below, &cut);
}

int window_fsync(struct mapfs_view *v, struct mapfs_file file, bool data_only)
{
	struct window_view *wv = window_view_of(v);
	struct mapfs_file below;
	struct window *w;
	int err;

	if (file.ino == wv->dir_ino)
		return mapfs_fsync(v->below,
				   mapfs_file_of(mapfs_root_ino(v->below)),
				   data_only);
	err = window_get(wv, file, &w, &below);
	return err ? err : mapfs_fsync(v->below, below, data_only);
}

int window_fallocate(struct mapfs_view *v, struct mapfs_file file, int mode,
		     uint64_t off, uint64_t len)
{
	struct mapfs_file below;
	struct window *w;
	uint64_t room;
	int err = window_get(window_view_of(v), file, &w, &below);

	if (err)
		return err;
	room = window_room(w, off, len);
	/* Behind the end there is nothing to punch; the rest needs room. */
	if (room < len && !(mode & FALLOC_FL_PUNCH_HOLE))
		return -ENOSPC;
	if (room == 0)
		return 0;
	return mapfs_fallocate(v->below, below, mode, w->off_bytes + off, room);
}

int window_lseek(struct mapfs_view *v, struct mapfs_file file, uint64_t off,
		 int whence, uint64_t *out)
{
	struct mapfs_attr attr;
	struct mapfs_file below;
	struct window *w;
	uint64_t size;
	uint64_t at;
	int err = window_get(window_view_of(v), file, &w, &below);

	if (!err)
		err = mapfs_peek_attr(v->below, below, &attr);
	if (err)
		return err;
	size = window_clip(w, attr.size_bytes);
	if (off >= size)
		return -ENXIO;
	err = mapfs_lseek(v->below, below, w->off_bytes + off, whence, &at);
	if (err)
		return err;
	at -= w->off_bytes;
	if (at >= size && whence == SEEK_DATA)
		return -ENXIO;
	*out = at < size ? at : size;
	return 0;
}

/* Moves runs of the file to where they are in the window. */
struct run_relay {
	uint64_t off_bytes;
	mapfs_run_fn fn;
	void *arg;
};

static int tell_run(void *arg, const struct mapfs_run *run)
{
	const struct run_relay *r = arg;
	struct mapfs_run moved = *run;

	moved.off_bytes -= r->off_bytes;
	return r->fn(r->arg, &moved);
}

int window_pages(struct mapfs_view *v, struct mapfs_file file,
		 const struct mapfs_range *range, mapfs_run_fn fn, void *arg)
{
	struct mapfs_range moved = *range;
	struct mapfs_file below;
	struct run_relay r;
	struct window *w;
	int err = window_get(window_view_of(v), file, &w, &below);

	if (err)
		return err;
	moved.len_bytes = window_room(w, range->off_bytes, range->len_bytes);
	moved.off_bytes += w->off_bytes;
	r = (struct run_relay){ w->off_bytes, fn, arg };
	return moved.len_bytes ?
		       mapfs_pages(v->below, below, &moved, tell_run, &r) :
		       0;
}

int mapfs_pages_of_whole(struct mapfs_view *v, struct mapfs_file file,
			 mapfs_run_fn fn, void *arg)
{
	const struct mapfs_range all = { .len_bytes = UINT64_MAX };
	struct mapfs_file below;
	struct window *w;
	int err = v->below ? window_get(window_view_of(v), file, &w, &below) :
			     -EINVAL;

	return err ? err : mapfs_pages(v->below, below, &all, fn, arg);
}

ssize_t window_copy_range(struct mapfs_view *v,
			  const struct mapfs_copy_range *copy)
{
	struct window_view *wv = window_view_of(v);
	struct mapfs_copy_range cut = *copy;
	struct window *from;
	struct window *to;
	int err = window_get(wv, copy->from, &from, &cut.from);

	if (!err)
		err = window_get(wv, copy->to, &to, &cut.to);
	if (err)
		return err;
	cut.len = window_room(from, copy->from_off, copy->len);
	if (cut.len == 0)
		return 0;
	cut.len = window_room(to, copy->to_off, cut.len);
	if (cut.len == 0)
		return -ENOSPC;
	cut.from_off += from->off_bytes;
	cut.to_off += to->off_bytes;
	return mapfs_copy_range(v->below, &cut);
}

/* SPDX-License-Identifier: MIT */
#include "history.h"

#include <errno.h>
#include <string.h>

#include "core/lib/log.h"
#include "window.h"

void window_announce_mount(struct mapfs_view *v, dev_t dev)
{
	mapfs_announce_mount(v->below, dev);
}

void window_announce_close(struct mapfs_view *v)
{
	mapfs_announce_close(v->below);
}

int window_snapshot_create(struct mapfs_view *v, const char *name,
			   const char *message, struct reason *why)
{
	return mapfs_snapshot_create(v->below, name, message, why);
}

int window_snapshot_delete(struct mapfs_view *v, const char *name,
			   struct reason *why)
{
	return mapfs_snapshot_delete(v->below, name, why);
}

int window_snapshot_iterate(struct mapfs_view *v, mapfs_snapshot_fn fn,
			    void *arg)
{
	return mapfs_snapshot_iterate(v->below, fn, arg);
}

int window_drift(struct mapfs_view *v, mapfs_drift_fn fn, void *arg)
{
	return mapfs_drift(v->below, fn, arg);
}

int window_damage(struct mapfs_view *v, mapfs_bad_page_fn fn, void *arg)
{
	return mapfs_bad_pages(v->below, fn, arg);
}

int window_held(struct mapfs_view *v, mapfs_ino ino, enum mapfs_held *out)
{
	struct window *w = window_of_ino(window_view_of(v), ino);
	mapfs_ino below = w ? atomic_load(&w->below) : mapfs_root_ino(v->below);

	return below ? mapfs_held(v->below, below, out) : -ESTALE;
}

/* The file may have several windows: the last one that reports tells below. */
void window_invalidated(struct mapfs_view *v, mapfs_ino ino)
{
	struct window_view *wv = window_view_of(v);
	struct window *w = window_of_ino(wv, ino);
	mapfs_ino below;

	if (!w)
		return;
	below = atomic_load(&w->below);
	atomic_store(&w->awaits_kernel, false);
	for (size_t i = 0; i < wv->window_count; i++)
		if (atomic_load(&wv->windows[i].below) == below &&
		    atomic_load(&wv->windows[i].awaits_kernel))
			return;
	if (below)
		mapfs_invalidated(v->below, below);
}

/* --- rollback and revert ------------------------------------------------- */

/* Passes invalidations on, as those of windows. */
struct relay {
	struct window_view *wv;
	mapfs_invalidation_fn fn; /* NULL: no kernel shows the view */
	void *arg;
	bool is_bound; /* the windows show what their paths lead to now */
};

static void tell_window(const struct relay *r, struct window *w,
			const struct mapfs_invalidation *s)
{
	const struct mapfs_invalidation moved = {
		.ino = w->ino,
		.generation = w->generation,
		.type = S_IFREG,
		.is_gone = s->is_gone,
		.size_bytes = window_clip(w, s->size_bytes),
		.was_bytes = window_clip(w, s->was_bytes),
	};

	r->fn(r->arg, &moved);
}

/* All windows of the file but `but`. */
static void tell_windows(const struct relay *r,
			 const struct mapfs_invalidation *s,
			 const struct window *but)
{
	for (size_t i = 0; i < r->wv->window_count; i++) {
		struct window *w = &r->wv->windows[i];

		if (w != but && atomic_load(&w->below) == s->ino)
			tell_window(r, w, s);
	}
}

/* Stores first, so that no request sees a number that is forgotten. */
static void bind_to(const struct relay *r, struct window *w, mapfs_ino below)
{
	mapfs_ino was = atomic_exchange(&w->below, below);

	w->is_moved |= was != below;
	if (w->is_moved)
		atomic_store(&w->awaits_kernel, true);
	if (was)
		mapfs_forget(r->wv->view.below, was, 1);
}

/*
 * Two windows that had two files may have two names of one file now.  One of
 * them shows nothing then, until the next rollback [C1].
 */
static void part_windows(const struct relay *r)
{
	struct window *a;
	struct window *b;

	while (window_find_overlap(r->wv, &a, &b) == 0 && a) {
		log_line(
			LOG_WARNING,
			"window %s: %s and %s are one file now, in which it overlaps window %s; it is not shown",
			b->name, b->path, a->path, a->name);
		bind_to(r, b, 0);
	}
}

/*
 * Binds each window to what its path leads to now.  Before the kernel is told
 * of anything: until then it may write back pages of the old file, which the
 * view below drops, because the new file awaits the kernel, too.
 */
static void rebind(struct relay *r)
{
	if (r->is_bound)
		return;
	r->is_bound = true;
	for (size_t i = 0; i < r->wv->window_count; i++) {
		struct window *w = &r->wv->windows[i];
		struct mapfs_entry e;
		int err = window_look_up(r->wv->view.below, w->path, &e);

		bind_to(r, w, err ? 0 : e.attr.ino);
	}
	part_windows(r);
}

/* Whoever looked the name up meanwhile may have heard that it is not there. */
static void tell_name(const struct relay *r, const struct window *w)
{
	const struct mapfs_invalidation s = {
		.dir = r->wv->dir_ino,
		.name = w->name,
	};

	if (r->wv->view.root_ino == r->wv->dir_ino)
		r->fn(r->arg, &s);
}

/* Of the windows that show another file, or none. */
static void tell_moved(const struct relay *r)
{
	for (size_t i = 0; i < r->wv->window_count; i++) {
		struct window *w = &r->wv->windows[i];
		mapfs_ino below = atomic_load(&w->below);
		struct mapfs_attr attr = { 0 };
		struct mapfs_invalidation s = { .was_bytes = MAPFS_MAX_SIZE };

		if (!w->is_moved)
			continue;
		w->is_moved = false;
		s.is_gone = !below ||
			    mapfs_peek_attr(r->wv->view.below,
					    mapfs_file_of(below), &attr) != 0;
		s.size_bytes = attr.size_bytes;
		if (!r->fn)
			continue;
		tell_window(r, w, &s);
		tell_name(r, w);
	}
}

/*
 * Names below do not show; an inode shows in each of its windows.  Until the
 * last of them has reported, the view below drops what the kernel writes back.
 * A page that was written meanwhile to an earlier window is clean in the
 * kernel, and nowhere else: the earlier ones are told again.
 */
static void relay(void *arg, const struct mapfs_invalidation *s)
{
	struct relay *r = arg;
	const struct window *last = NULL;

	rebind(r);
	if (s->name)
		return;
	for (size_t i = 0; i < r->wv->window_count; i++) {
		struct window *w = &r->wv->windows[i];

		if (atomic_load(&w->below) != s->ino)
			continue;
		atomic_store(&w->awaits_kernel, true);
		last = w;
	}
	tell_windows(r, s, NULL);
	if (last)
		tell_windows(r, s, last);
	/* The kernel has no page of it. */
	else if (S_ISREG(s->type))
		mapfs_invalidated(r->wv->view.below, s->ino);
}

/* The end of a rollback or a revert. */
static int finish(struct relay *r, int err)
{
	if (err)
		return err;
	rebind(r);
	tell_moved(r);
	return 0;
}

int window_rollback(struct mapfs_view *v, const char *name,
		    mapfs_invalidation_fn fn, void *arg, struct reason *why)
{
	struct relay r = { .wv = window_view_of(v), .fn = fn, .arg = arg };
	int err = mapfs_rollback(v->below, name, fn ? relay : NULL, &r, why);

	return finish(&r, err);
}

/* The file that is named itself, as a diff does, or by a window of all of it. */
static int find_file(struct window_view *wv, const char *path,
		     const char **file, struct reason *why)
{
	const struct window *w = window_of_name(wv, path);

	if (w && !window_is_whole(w)) {
		reason_set(
			why,
			"%s: is a part of %s, which is reverted only as a whole; revert %s",
			path, w->path, w->path);
		return -EINVAL;
	}
	for (size_t i = 0; i < wv->window_count && !w; i++)
		if (strcmp(wv->windows[i].path, path) == 0)
			w = &wv->windows[i];
	if (!w) {
		reason_set(
			why,
			"%s: is neither a window nor a file with windows; see mapfs status",
			path);
		return -ENOENT;
	}
	*file = w->path;
	return 0;
}

int window_revert(struct mapfs_view *v, const char *path,
		  mapfs_invalidation_fn fn, void *arg, struct reason *why)
{
	struct window_view *wv = window_view_of(v);
	struct relay r = { .wv = wv, .fn = fn, .arg = arg };
	const char *file = path;
	int err = path[0] ? find_file(wv, path, &file, why) : 0;

	if (!err)
		err = mapfs_revert(v->below, file, fn ? relay : NULL, &r, why);
	return finish(&r, err);
}

/* SPDX-License-Identifier: MIT */
#include "history.h"

#include <errno.h>

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
	mapfs_invalidation_fn fn;
	void *arg;
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

/*
 * Names below do not show; an inode shows in each of its windows.  Until the
 * last of them has reported, the view below drops what the kernel writes back.
 * A page that was written meanwhile to an earlier window is clean in the
 * kernel, and nowhere else: the earlier ones are told again.
 */
static void relay(void *arg, const struct mapfs_invalidation *s)
{
	const struct relay *r = arg;
	const struct window *last = NULL;

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

/* A window whose path leads to another file now, or to none. */
static void rebind(const struct relay *r, struct window *w)
{
	struct mapfs_view *below = r->wv->view.below;
	struct mapfs_entry e = { 0 };
	mapfs_ino was = atomic_load(&w->below);
	struct mapfs_invalidation s = {
		.was_bytes = MAPFS_MAX_SIZE,
		.is_gone = window_look_up(below, w->path, &e) != 0,
	};

	/* The old file; or the same one, which is counted already. */
	if (was)
		mapfs_forget(below, was, 1);
	if (was == e.attr.ino)
		return;
	atomic_store(&w->below, e.attr.ino);
	s.size_bytes = e.attr.size_bytes;
	if (r->fn)
		tell_window(r, w, &s);
}

static void rebind_all(const struct relay *r)
{
	for (size_t i = 0; i < r->wv->window_count; i++)
		rebind(r, &r->wv->windows[i]);
}

int window_rollback(struct mapfs_view *v, const char *name,
		    mapfs_invalidation_fn fn, void *arg, struct reason *why)
{
	struct relay r = { .wv = window_view_of(v), .fn = fn, .arg = arg };
	int err = mapfs_rollback(v->below, name, fn ? relay : NULL, &r, why);

	if (!err)
		rebind_all(&r);
	return err;
}

int window_revert(struct mapfs_view *v, const char *path,
		  mapfs_invalidation_fn fn, void *arg, struct reason *why)
{
	struct window_view *wv = window_view_of(v);
	struct relay r = { .wv = wv, .fn = fn, .arg = arg };
	const struct window *w = window_of_name(wv, path);
	int err;

	if (path[0] && w && !window_is_whole(w)) {
		reason_set(
			why,
			"%s: is a part of %s, which is reverted only as a whole; unmount, and revert %s in the store",
			path, w->path, w->path);
		return -EINVAL;
	}
	if (path[0] && !w) {
		reason_set(why, "%s: the view has no such window; see ls",
			   path);
		return -ENOENT;
	}
	err = mapfs_revert(v->below, w ? w->path : "", fn ? relay : NULL, &r,
			   why);
	if (!err)
		rebind_all(&r);
	return err;
}

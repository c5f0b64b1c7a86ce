/* SPDX-License-Identifier: MIT */
#include "open.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attr.h"
#include "core/lib/checksum.h"
#include "data.h"
#include "history.h"
#include "names.h"
#include "window.h"

static void windows_destroy(struct window_view *wv)
{
	HASH_CLEAR(hh, wv->by_ino);
	for (size_t i = 0; i < wv->window_count; i++) {
		free(wv->windows[i].name);
		free(wv->windows[i].path);
	}
	free(wv->windows);
}

static int window_close(struct mapfs_view *v)
{
	struct window_view *wv = window_view_of(v);
	int err = mapfs_view_close(v->below);

	windows_destroy(wv);
	free(wv);
	return err;
}

static void window_info(struct mapfs_view *v, struct mapfs_info *out)
{
	mapfs_view_info(v->below, out);
	out->is_windows = true;
}

static void window_interrupt(struct mapfs_view *v)
{
	mapfs_interrupt(v->below);
}

/* What the view below lacks, its call refuses: handles, or a history. */
static const struct view_ops window_ops = {
	.close = window_close,
	.info = window_info,
	.lookup = window_lookup,
	.reach = window_reach,
	.above = window_above,
	.interrupt = window_interrupt,
	.forget = window_forget,
	.known_files = window_known_files,
	.mknod = window_mknod,
	.mkdir = window_mknod,
	.symlink = window_symlink,
	.link = window_link,
	.unlink = window_unlink,
	.rmdir = window_unlink,
	.rename = window_rename,
	.tmpfile = window_tmpfile,
	.readlink = window_readlink,
	.readdir = window_readdir,
	.opendir = window_opendir,
	.open = window_open,
	.only_appends = window_only_appends,
	.read_counts = window_read_counts,
	.create = window_create,
	.release = window_release,
	.getattr = window_getattr,
	.peek_attr = window_peek_attr,
	.setattr = window_setattr,
	.statfs = window_statfs,
	.read = window_read,
	.write = window_write,
	.fsync = window_fsync,
	.fallocate = window_fallocate,
	.lseek = window_lseek,
	.copy_range = window_copy_range,
	.pages = window_pages,
	.getxattr = window_getxattr,
	.listxattr = window_listxattr,
	.setxattr = window_setxattr,
	.removexattr = window_removexattr,
	.get_fileattr = window_get_fileattr,
	.set_fileattr = window_set_fileattr,
	.announce_mount = window_announce_mount,
	.announce_close = window_announce_close,
	.snapshot_create = window_snapshot_create,
	.snapshot_delete = window_snapshot_delete,
	.snapshot_iterate = window_snapshot_iterate,
	.drift = window_drift,
	.damage = window_damage,
	.held = window_held,
	.find_path = window_find_path,
	.invalidated = window_invalidated,
	.rollback = window_rollback,
	.revert = window_revert,
};

/*
 * The same in each mount.  A window at the beginning has the number of its
 * file; no other window can have that, because the two would overlap.
 */
static mapfs_ino number_of(const struct window_view *wv, const struct window *w)
{
	const uint64_t parts[] = { atomic_load(&w->below), w->off_bytes };
	mapfs_ino ino = w->off_bytes ? checksum64(parts, sizeof(parts), 0) :
				       parts[0];
	const struct window *there;

	for (;; ino++) {
		HASH_FIND(hh, wv->by_ino, &ino, sizeof(ino), there);
		if (!there && ino && ino != wv->dir_ino)
			return ino;
	}
}

static int check_size(const struct window *w, uint64_t file_bytes,
		      struct reason *why)
{
	const uint64_t left = window_clip(w, file_bytes);

	if (window_is_whole(w))
		return 0;
	if (w->len_bytes == 0) {
		reason_set(why, "window %s: has a size of 0; give a LENGTH",
			   w->name);
	} else if (left == 0) {
		reason_set(
			why,
			"window %s: begins at byte %llu, but %s has only %llu bytes; give a smaller OFFSET",
			w->name, (unsigned long long)w->off_bytes, w->path,
			(unsigned long long)file_bytes);
	} else if (!window_is_open(w) && left < w->len_bytes) {
		reason_set(
			why,
			"window %s: ends %llu bytes behind the end of %s, which has %llu bytes; give a smaller LENGTH",
			w->name, (unsigned long long)(w->len_bytes - left),
			w->path, (unsigned long long)file_bytes);
	} else {
		return 0;
	}
	return -EINVAL;
}

/* Another window of the file has claimed it; this view is no stranger to it. */
static bool is_claimed_before(const struct window_view *wv,
			      const struct window *w)
{
	for (const struct window *x = wv->windows; x < w; x++)
		if (atomic_load(&x->below) == atomic_load(&w->below))
			return true;
	return false;
}

/* Finds the file of the window. */
static int bind(struct window_view *wv, struct window *w, struct reason *why)
{
	struct mapfs_entry e;
	int err = window_look_up(wv->view.below, w->path, &e);

	if (err == -EINVAL || err == -EISDIR)
		reason_set(
			why,
			"window %s: %s is not a regular file; name one below the base",
			w->name, w->path);
	else if (err == -ELOOP || err == -EXDEV)
		reason_set(
			why,
			"window %s: %s has %s, which is not followed; name the file itself",
			w->name, w->path,
			err == -ELOOP ? "a symbolic link" : "\"..\"");
	else if (err == -ENOENT && strchr(w->path, ':'))
		/* A field that is no number counts as a part of the path. */
		reason_set(
			why,
			"window %s: %s: %s; check the name; OFFSET and LENGTH are numbers with K, M, G, T, s, or 0x...",
			w->name, w->path, strerror(-err));
	else if (err)
		reason_set(why, "window %s: %s: %s", w->name, w->path,
			   reason_of(err));
	if (err)
		return err;
	atomic_store(&w->below, e.attr.ino);
	w->generation = e.generation;
	if (!is_claimed_before(wv, w)) {
		err = wv->view.below->ops->claim(wv->view.below, e.attr.ino);
		if (err) {
			reason_set(
				why,
				"%s: is in use by a view in %s mode; unmount that first (see mapfs list)",
				w->path, err == -EBUSY ? "write" : "copy");
			return -EBUSY;
		}
	}
	return check_size(w, e.attr.size_bytes, why);
}

static int compare_name(const void *a, const void *b)
{
	return strcmp(((const struct window *)a)->name,
		      ((const struct window *)b)->name);
}

static int check_overlap(struct window_view *wv, struct reason *why)
{
	struct window *a;
	struct window *b;
	int err = window_find_overlap(wv, &a, &b);

	if (err || !a)
		return err;
	reason_set(
		why,
		"windows %s and %s: overlap in %s; each byte may be in one window",
		a->name, b->name, b->path);
	return -EINVAL;
}

/* `only`: the name of the file that is the base, or NULL. */
static int copy_window(struct window *w, const struct mapfs_window *from,
		       const char *only, struct reason *why)
{
	const char *path = from->path[0] || !only ? from->path : only;

	if (!path[0]) {
		reason_set(
			why,
			"window %s: names no file; give its path below the base",
			from->name);
		return -EINVAL;
	}
	w->off_bytes = from->off_bytes;
	w->len_bytes = from->len_bytes;
	w->name = strdup(from->name);
	w->path = strdup(path);
	return w->name && w->path ? 0 : -ENOMEM;
}

static int copy_windows(struct window_view *wv, const struct mapfs_options *opt,
			struct reason *why)
{
	const char *only = wv->view.below->file_name;
	const struct mapfs_window whole = {
		.name = only,
		.path = only,
		.len_bytes = MAPFS_WINDOW_OPEN,
	};
	const struct mapfs_window *from = opt->window_count ? opt->windows :
							      &whole;
	const size_t count = opt->window_count ? opt->window_count : 1;
	int err = 0;

	wv->windows = calloc(count, sizeof(*wv->windows));
	if (!wv->windows)
		return -ENOMEM;
	wv->window_count = count;
	for (size_t i = 0; i < count && !err; i++)
		err = copy_window(&wv->windows[i], &from[i], only, why);
	if (err)
		return err;
	qsort(wv->windows, count, sizeof(*wv->windows), compare_name);
	for (size_t i = 1; i < count; i++) {
		if (compare_name(&wv->windows[i - 1], &wv->windows[i]))
			continue;
		reason_set(
			why,
			"window %s: is named twice; give each window a name of its own",
			wv->windows[i].name);
		return -EINVAL;
	}
	return 0;
}

static int number_windows(struct window_view *wv)
{
	for (size_t i = 0; i < wv->window_count; i++) {
		struct window *w = &wv->windows[i];

		w->ino = number_of(wv, w);
		HASH_ADD(hh, wv->by_ino, ino, sizeof(w->ino), w);
		if (!w->hh.tbl)
			return -ENOMEM;
	}
	return 0;
}

static int fill(struct window_view *wv, const struct mapfs_options *opt,
		struct reason *why)
{
	int err = copy_windows(wv, opt, why);

	for (size_t i = 0; i < wv->window_count && !err; i++)
		err = bind(wv, &wv->windows[i], why);
	if (!err)
		err = check_overlap(wv, why);
	if (!err)
		err = number_windows(wv);
	if (err || !opt->root_is_file)
		return err;
	if (wv->window_count != 1) {
		reason_set(
			why,
			"the mount point is a file, which can show one window only; mount on a directory");
		return -EINVAL;
	}
	wv->view.root_ino = wv->windows[0].ino;
	return 0;
}

int window_view_open(struct mapfs_view **out, struct mapfs_view *below,
		     const struct mapfs_options *opt, struct reason *why)
{
	struct window_view *wv = calloc(1, sizeof(*wv));
	int err = wv ? 0 : -ENOMEM;

	if (wv) {
		wv->view = *below;
		wv->view.ops = &window_ops;
		wv->view.below = below;
		wv->dir_ino = below->root_ino;
		(void)clock_gettime(CLOCK_REALTIME, &wv->made_at);
		err = fill(wv, opt, why);
	}
	if (!err) {
		*out = &wv->view;
		return 0;
	}
	if (wv)
		windows_destroy(wv);
	free(wv);
	return err;
}

/* SPDX-License-Identifier: MIT */
#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attr.h"
#include "window.h"

/* Cookies of a listing: 1 and 2 are behind "." and "..", then each window. */
#define DOTS 2

static int fill_entry(struct window_view *wv, struct window *w,
		      struct mapfs_entry *out)
{
	struct mapfs_entry e = { .generation = w->generation };
	int err = window_getattr(&wv->view, mapfs_file_of(w->ino), &e.attr);

	if (!err)
		*out = e;
	return err;
}

int window_lookup(struct mapfs_view *v, mapfs_ino dir, const char *name,
		  struct mapfs_entry *out)
{
	struct window_view *wv = window_view_of(v);
	struct window *w = window_of_name(wv, name);
	int err;

	if (dir != wv->dir_ino)
		return -ENOTDIR;
	err = w ? fill_entry(wv, w, out) : -ENOENT;
	return err == -ESTALE ? -ENOENT : err;
}

int window_reach(struct mapfs_view *v, mapfs_ino ino, bool may_walk,
		 struct mapfs_entry *out)
{
	struct window_view *wv = window_view_of(v);
	struct window *w = window_of_ino(wv, ino);

	(void)may_walk;
	if (ino != wv->dir_ino)
		return w ? fill_entry(wv, w, out) : -ESTALE;
	out->generation = 0;
	return window_dir_attr(wv, &out->attr);
}

int window_above(struct mapfs_view *v, mapfs_ino ino, bool may_walk,
		 mapfs_ino *above)
{
	struct window_view *wv = window_view_of(v);

	(void)may_walk;
	if (ino != wv->dir_ino && !window_of_ino(wv, ino))
		return -ESTALE;
	*above = wv->dir_ino;
	return 0;
}

void window_forget(struct mapfs_view *v, mapfs_ino ino, uint64_t nlookup)
{
	(void)v;
	(void)ino;
	(void)nlookup;
}

int window_known_files(struct mapfs_view *v, mapfs_ino **out, size_t *count)
{
	struct window_view *wv = window_view_of(v);
	mapfs_ino *inos = calloc(wv->window_count, sizeof(*inos));

	if (!inos)
		return -ENOMEM;
	for (size_t i = 0; i < wv->window_count; i++)
		inos[i] = wv->windows[i].ino;
	*out = inos;
	*count = wv->window_count;
	return 0;
}

int window_find_path(struct mapfs_view *v, mapfs_ino ino, char **out)
{
	struct window_view *wv = window_view_of(v);
	struct window *w = window_of_ino(wv, ino);
	const char *path = w && ino != v->root_ino ? w->name : "";

	if (!w && ino != wv->dir_ino)
		return -ENOENT;
	*out = strdup(path);
	return *out ? 0 : -ENOMEM;
}

/* Handle 0 is none: a listing needs no state. */
int window_opendir(struct mapfs_view *v, mapfs_ino dir, uint64_t *fh)
{
	if (v->mode == MAPFS_COPY)
		return -ENOSYS;
	if (dir != window_view_of(v)->dir_ino)
		return -ENOTDIR;
	*fh = 0;
	return 0;
}

/* Entry `at` of the listing. */
static int tell(struct window_view *wv, const struct mapfs_readdir *r,
		uint64_t at)
{
	struct window *w = at < DOTS ? NULL : &wv->windows[at - DOTS];
	struct mapfs_entry e;
	const struct mapfs_dirent d = {
		.name = w  ? w->name :
			at ? ".." :
			     ".",
		.ino = w ? w->ino : wv->dir_ino,
		.type = w ? S_IFREG : S_IFDIR,
		.cookie = at + 1,
		.entry = w && r->plus && fill_entry(wv, w, &e) == 0 ? &e : NULL,
	};

	/* Its file is gone, and so is the name. */
	if (w && !atomic_load(&w->below))
		return 0;
	return r->fn(r->arg, &d);
}

int window_readdir(struct mapfs_view *v, mapfs_ino dir,
		   const struct mapfs_readdir *readdir)
{
	struct window_view *wv = window_view_of(v);
	const uint64_t end = wv->window_count + DOTS;

	if (dir != wv->dir_ino)
		return -ENOTDIR;
	for (uint64_t at = readdir->cookie; at < end; at++)
		if (tell(wv, readdir, at))
			break;
	return 0;
}

ssize_t window_readlink(struct mapfs_view *v, mapfs_ino ino, char *buf,
			size_t len)
{
	(void)v;
	(void)ino;
	(void)buf;
	(void)len;
	return -EINVAL;
}

int window_mknod(struct mapfs_view *v, const struct mapfs_new *new,
		 struct mapfs_entry *out)
{
	const struct window *w = window_of_name(window_view_of(v), new->name);

	(void)out;
	return w && atomic_load(&w->below) ? -EEXIST : -EPERM;
}

int window_create(struct mapfs_view *v, const struct mapfs_new *new, int flags,
		  struct mapfs_entry *out, uint64_t *fh)
{
	(void)flags;
	(void)fh;
	return window_mknod(v, new, out);
}

int window_symlink(struct mapfs_view *v, const struct mapfs_new *new,
		   const char *target, struct mapfs_entry *out)
{
	(void)target;
	return window_mknod(v, new, out);
}

int window_link(struct mapfs_view *v, mapfs_ino ino, mapfs_ino dir,
		const char *name, struct mapfs_entry *out)
{
	(void)v;
	(void)ino;
	(void)dir;
	(void)name;
	(void)out;
	return -EPERM;
}

int window_tmpfile(struct mapfs_view *v, const struct mapfs_new *new,
		   struct mapfs_entry *out)
{
	(void)v;
	(void)new; /* which has no name */
	(void)out;
	return -EPERM;
}

int window_unlink(struct mapfs_view *v, mapfs_ino dir, const char *name)
{
	(void)v;
	(void)dir;
	(void)name;
	return -EPERM;
}

int window_rename(struct mapfs_view *v, const struct mapfs_cred *whiteout,
		  const struct mapfs_rename *rename)
{
	(void)v;
	(void)whiteout;
	(void)rename;
	return -EPERM;
}

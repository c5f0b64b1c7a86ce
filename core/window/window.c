/* SPDX-License-Identifier: MIT */
#include "window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct window *window_of_ino(struct window_view *wv, mapfs_ino ino)
{
	struct window *w = NULL;

	HASH_FIND(hh, wv->by_ino, &ino, sizeof(ino), w);
	return w;
}

static int compare_name(const void *name, const void *window)
{
	return strcmp(name, ((const struct window *)window)->name);
}

struct window *window_of_name(struct window_view *wv, const char *name)
{
	return bsearch(name, wv->windows, wv->window_count,
		       sizeof(*wv->windows), compare_name);
}

int window_get(struct window_view *wv, struct mapfs_file file,
	       struct window **out, struct mapfs_file *below)
{
	struct window *w = window_of_ino(wv, file.ino);
	mapfs_ino ino = w ? atomic_load(&w->below) : 0;

	if (file.ino == wv->dir_ino)
		return -EISDIR;
	if (!ino)
		return -ESTALE;
	*out = w;
	*below = (struct mapfs_file){ .ino = ino, .fh = file.fh };
	return 0;
}

uint64_t window_clip(const struct window *w, uint64_t file_bytes)
{
	uint64_t left = file_bytes > w->off_bytes ? file_bytes - w->off_bytes :
						    0;

	return left < w->len_bytes ? left : w->len_bytes;
}

uint64_t window_room(const struct window *w, uint64_t off, uint64_t len)
{
	uint64_t left = off < w->len_bytes ? w->len_bytes - off : 0;

	return len < left ? len : left;
}

/* One name of a path; `dir` is no longer counted afterwards. */
static int step(struct mapfs_view *below, mapfs_ino *dir, const char *name,
		struct mapfs_entry *out)
{
	int err = mapfs_lookup(below, *dir, name, out);

	if (*dir != mapfs_root_ino(below))
		mapfs_forget(below, *dir, 1);
	*dir = err ? mapfs_root_ino(below) : out->attr.ino;
	return err;
}

int window_look_up(struct mapfs_view *below, const char *path,
		   struct mapfs_entry *out)
{
	mapfs_ino dir = mapfs_root_ino(below);
	char *copy = strdup(path);
	char *save = NULL;
	int err = copy ? -EISDIR : -ENOMEM;

	if (!copy)
		return err;
	for (char *name = strtok_r(copy, "/", &save); name;
	     name = strtok_r(NULL, "/", &save)) {
		/* ".." of a view leads nowhere; "." is where we are. */
		if (strcmp(name, ".") == 0)
			continue;
		err = strcmp(name, "..") == 0 ? -EINVAL :
						step(below, &dir, name, out);
		if (err)
			break;
	}
	free(copy);
	if (!err && !S_ISREG(out->attr.mode))
		err = S_ISDIR(out->attr.mode) ? -EISDIR : -EINVAL;
	if (err && dir != mapfs_root_ino(below))
		mapfs_forget(below, dir, 1);
	return err;
}

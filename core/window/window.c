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

const char *window_file_of(struct mapfs_view *v, const char *name)
{
	const struct window *w = window_of_name(window_view_of(v), name);

	return w ? w->path : name;
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
static int step(struct mapfs_view *below, mapfs_ino dir, const char *name,
		struct mapfs_entry *out)
{
	/* ".." of a view leads nowhere. */
	int err = strcmp(name, "..") == 0 ? -EXDEV :
					    mapfs_lookup(below, dir, name, out);

	if (dir != mapfs_root_ino(below))
		mapfs_forget(below, dir, 1);
	if (err || !S_ISLNK(out->attr.mode))
		return err;
	mapfs_forget(below, out->attr.ino, 1);
	return -ELOOP;
}

static int check_type(const struct mapfs_entry *e)
{
	if (S_ISREG(e->attr.mode))
		return 0;
	return S_ISDIR(e->attr.mode) ? -EISDIR : -EINVAL;
}

int window_look_up(struct mapfs_view *below, const char *path,
		   struct mapfs_entry *out)
{
	const mapfs_ino root = mapfs_root_ino(below);
	struct mapfs_entry e = { .attr = { .ino = root, .mode = S_IFDIR } };
	char *copy = strdup(path);
	char *save = NULL;
	int err = copy ? 0 : -ENOMEM;

	for (char *name = copy ? strtok_r(copy, "/", &save) : NULL;
	     name && !err; name = strtok_r(NULL, "/", &save)) {
		if (strcmp(name, ".") != 0)
			err = step(below, e.attr.ino, name, &e);
	}
	free(copy);
	if (err)
		return err;
	err = check_type(&e);
	if (!err)
		*out = e;
	else if (e.attr.ino != root)
		mapfs_forget(below, e.attr.ino, 1);
	return err;
}

/* Where a window lies: what can overlap. */
struct place {
	mapfs_ino file;
	uint64_t off_bytes;
	struct window *w;
};

/* By file, then by offset. */
static int compare_place(const void *a, const void *b)
{
	const struct place *x = a;
	const struct place *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->off_bytes != y->off_bytes)
		return x->off_bytes < y->off_bytes ? -1 : 1;
	return strcmp(x->w->name, y->w->name);
}

static bool do_overlap(const struct place *a, const struct place *b)
{
	/* A window whose file is gone overlaps nothing. */
	return a->file && a->file == b->file &&
	       (window_is_open(a->w) ||
		b->off_bytes - a->off_bytes < a->w->len_bytes);
}

int window_find_overlap(struct window_view *wv, struct window **a,
			struct window **b)
{
	struct place *sorted = calloc(wv->window_count + 1, sizeof(*sorted));

	*a = NULL;
	*b = NULL;
	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < wv->window_count; i++)
		sorted[i] = (struct place){
			.file = atomic_load(&wv->windows[i].below),
			.off_bytes = wv->windows[i].off_bytes,
			.w = &wv->windows[i],
		};
	qsort(sorted, wv->window_count, sizeof(*sorted), compare_place);
	for (size_t i = 1; i < wv->window_count && !*a; i++) {
		if (!do_overlap(&sorted[i - 1], &sorted[i]))
			continue;
		*a = sorted[i - 1].w;
		*b = sorted[i].w;
	}
	free(sorted);
	return 0;
}

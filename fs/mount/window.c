/* SPDX-License-Identifier: MIT */
/*
 * What only the base can tell, the core checks: whether a window is in its
 * file, and whether two windows overlap.
 */
#include "window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/array.h"
#include "core/lib/path.h"
#include "size.h"

#define FORM "NAME=PATH:OFFSET[:LENGTH]"

/* The parts of the text of a window; all but the name are borrowed from it. */
struct parse {
	const char *text;
	char *name;
	size_t path_len;
	const char *path;
	struct mapfs_window *out;
	struct reason *why;
};

static int out_of_memory(struct reason *why)
{
	reason_set(why, "out of memory; try again later");
	return -ENOMEM;
}

static const char *name_objection(const char *name)
{
	if (strlen(name) > MAPFS_NAME_MAX)
		return "its name is too long; a name has at most 255 bytes";
	if (strchr(name, '/'))
		return "its name has a slash; a window has no directory, "
		       "choose another name";
	if (path_is_dot(name))
		return "its name means a directory; choose another name";
	return NULL;
}

static int name_parse(struct parse *p)
{
	const char *equals = strchr(p->text, '=');
	const char *objection;

	if (!equals) {
		reason_set(p->why,
			   "window %s: it has no '='; write a window as " FORM
			   ", such as boot=disk.img:1M:31M",
			   p->text);
		return -EINVAL;
	}
	if (equals == p->text) {
		reason_set(p->why, "window %s: it has no name; write " FORM,
			   p->text);
		return -EINVAL;
	}
	p->name = strndup(p->text, (size_t)(equals - p->text));
	if (!p->name)
		return out_of_memory(p->why);
	objection = name_objection(p->name);
	if (objection) {
		reason_set(p->why, "window %s: %s", p->name, objection);
		return -EINVAL;
	}
	p->path = equals + 1;
	p->path_len = strlen(p->path);
	return 0;
}

/*
 * Cuts the last field off the path.  1: it is a size that a file may have; 0:
 * there is none, and the path is as it was.
 */
static int field_cut(struct parse *p, uint64_t *out)
{
	const char *colon = memrchr(p->path, ':', p->path_len);
	size_t path_len = colon ? (size_t)(colon - p->path) : 0;
	int err;

	if (!colon)
		return 0;
	err = size_parse(colon + 1, p->path_len - path_len - 1, out);
	if (!err && *out > MAPFS_MAX_SIZE)
		err = -ERANGE;
	if (err == -ERANGE)
		reason_set(p->why,
			   "window %s: %.*s is too large; give numbers below "
			   "8 EiB",
			   p->name, (int)(p->path_len - path_len - 1),
			   colon + 1);
	if (err)
		return err == -ERANGE ? -EINVAL : 0;
	p->path_len = path_len;
	return 1;
}

/*
 * The last field is no size.  If the field before it is one, it was meant as the
 * length; else it may be a part of the path.
 */
static int refuse_field(struct parse *p)
{
	const char *colon = memrchr(p->path, ':', p->path_len);
	const char *field = colon ? colon + 1 : "";
	uint64_t off;
	int err = 0;

	p->path_len = colon ? (size_t)(colon - p->path) : 0;
	if (colon)
		err = field_cut(p, &off);
	if (err > 0)
		reason_set(p->why,
			   "window %s: %s is no length; give a number with K, "
			   "M, G, T, s, or 0x...",
			   p->name, *field ? field : "''");
	else if (err == 0)
		reason_set(p->why,
			   "window %s: it has no offset; write " FORM
			   ", such as 1M or 2048s",
			   p->name);
	return -EINVAL;
}

static int fields_parse(struct parse *p)
{
	struct mapfs_window *w = p->out;
	int last = field_cut(p, &w->len_bytes);
	int first;

	if (last < 0)
		return last;
	if (last == 0)
		return refuse_field(p);
	first = field_cut(p, &w->off_bytes);
	if (first < 0)
		return first;
	if (first == 0) {
		w->off_bytes = w->len_bytes;
		w->len_bytes = MAPFS_WINDOW_OPEN;
		return 0;
	}
	if (w->len_bytes == 0) {
		reason_set(p->why,
			   "window %s: its length is 0; give another length, "
			   "or none for all that follows the offset",
			   p->name);
		return -EINVAL;
	}
	return 0;
}

static int range_check(const struct parse *p)
{
	const struct mapfs_window *w = p->out;
	uint64_t len = w->len_bytes == MAPFS_WINDOW_OPEN ? 0 : w->len_bytes;

	if (len <= MAPFS_MAX_SIZE - w->off_bytes)
		return 0;
	reason_set(p->why,
		   "window %s: it ends behind the largest file; give offset "
		   "and length of less than 8 EiB together",
		   p->name);
	return -EINVAL;
}

/* On success the window owns its strings. */
static int window_parse(struct parse *p)
{
	int err = name_parse(p);
	char *path = NULL;

	if (!err)
		err = fields_parse(p);
	if (!err)
		err = range_check(p);
	if (!err) {
		path = strndup(p->path, p->path_len);
		err = path ? 0 : out_of_memory(p->why);
	}
	if (err) {
		free(p->name);
		return err;
	}
	p->out->name = p->name;
	p->out->path = path;
	return 0;
}

static void window_fini(struct mapfs_window *w)
{
	free((char *)w->name);
	free((char *)w->path);
}

int window_list_add(struct window_list *l, const char *text, struct reason *why)
{
	struct mapfs_window w = { 0 };
	struct parse p = {
		.text = text,
		.out = &w,
		.why = why,
	};
	int err = window_parse(&p);

	if (err)
		return err;
	if (array_reserve(&l->windows, &l->cap, l->count + 1))
		err = out_of_memory(why);
	if (err)
		window_fini(&w);
	else
		l->windows[l->count++] = w;
	return err;
}

int window_list_put(struct window_list *l, const struct mapfs_window *w)
{
	struct mapfs_window copy = *w;

	copy.name = strdup(w->name);
	copy.path = strdup(w->path);
	if (!copy.name || !copy.path ||
	    array_reserve(&l->windows, &l->cap, l->count + 1)) {
		window_fini(&copy);
		return -ENOMEM;
	}
	l->windows[l->count++] = copy;
	return 0;
}

static bool is_same(const struct mapfs_window *a, const struct mapfs_window *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->path, b->path) == 0 &&
	       a->off_bytes == b->off_bytes && a->len_bytes == b->len_bytes;
}

static bool is_in(const struct window_list *l, const struct mapfs_window *w)
{
	for (size_t i = 0; i < l->count; i++) {
		if (is_same(&l->windows[i], w))
			return true;
	}
	return false;
}

static bool are_in(const struct window_list *l, const struct window_list *these)
{
	for (size_t i = 0; i < these->count; i++) {
		if (!is_in(l, &these->windows[i]))
			return false;
	}
	return true;
}

bool window_list_is_same(const struct window_list *a,
			 const struct window_list *b)
{
	return are_in(a, b) && are_in(b, a);
}

static int by_name(const void *a, const void *b)
{
	const struct mapfs_window *const *x = a;
	const struct mapfs_window *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

int window_list_check_names(const struct window_list *l, struct reason *why)
{
	const struct mapfs_window **sorted =
		calloc(l->count + 1, sizeof(const struct mapfs_window *));
	int err = sorted ? 0 : out_of_memory(why);

	for (size_t i = 0; i < l->count && !err; i++)
		sorted[i] = &l->windows[i];
	if (!err)
		qsort(sorted, l->count, sizeof(const struct mapfs_window *),
		      by_name);
	for (size_t i = 1; i < l->count && !err; i++) {
		if (strcmp(sorted[i - 1]->name, sorted[i]->name) != 0)
			continue;
		reason_set(why,
			   "window %s: two windows have this name; give one of "
			   "them another",
			   sorted[i]->name);
		err = -EINVAL;
	}
	free(sorted);
	return err;
}

void window_list_fini(struct window_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		window_fini(&l->windows[i]);
	free(l->windows);
	*l = (struct window_list){ 0 };
}

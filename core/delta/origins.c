/* SPDX-License-Identifier: MIT */
/*
 * A tree of places, with a hash table from each path to its place.  A place
 * exists as long as an inode is at it or below it, so each leaf has one.
 */
#include "origins.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "core/lib/array.h"

struct origin {
	UT_hash_handle hh;
	struct origin *above; /* NULL: the root, whose path is "" */
	struct origin *below; /* the first, if any */
	struct origin *prev;  /* in the same directory */
	struct origin *next;
	mapfs_ino *inos; /* oldest first; hardly ever more than one */
	uint32_t count;
	char path[];
};

void origins_init(struct origins *p)
{
	*p = (struct origins){ .all = NULL };
	rmutex_init(&p->lock, RANK_LEAF);
}

void origins_clear(struct origins *p)
{
	struct origin *all;
	struct origin *place;
	struct origin *next;

	rmutex_lock(&p->lock);
	all = p->all;
	p->all = NULL;
	rmutex_unlock(&p->lock);
	HASH_ITER(hh, all, place, next) {
		HASH_DEL(all, place);
		free(place->inos);
		free(place);
	}
}

void origins_fini(struct origins *p)
{
	origins_clear(p);
	rmutex_fini(&p->lock);
}

static struct origin *find_locked(const struct origins *p, const char *path,
				  size_t bytes)
{
	struct origin *place = NULL;

	if (p->all)
		HASH_FIND(hh, p->all, path, bytes, place);
	return place;
}

static const char *name_of(const struct origin *place)
{
	const char *slash = strrchr(place->path, '/');

	return slash ? slash + 1 : place->path;
}

/* Removes the place, and those above it, that no inode needs any more. */
static void prune_locked(struct origins *p, struct origin *place)
{
	while (place && place->count == 0 && !place->below) {
		struct origin *above = place->above;

		if (above)
			DL_DELETE(above->below, place);
		HASH_DEL(p->all, place);
		free(place->inos);
		free(place);
		place = above;
	}
}

static struct origin *make_locked(struct origins *p, const char *path,
				  size_t bytes, struct origin *above)
{
	struct origin *place = calloc(1, sizeof(*place) + bytes + 1);

	if (!place)
		return NULL;
	memcpy(place->path, path, bytes);
	HASH_ADD_KEYPTR(hh, p->all, place->path, bytes, place);
	if (!place->hh.tbl) {
		free(place);
		return NULL;
	}
	place->above = above;
	if (above)
		DL_APPEND(above->below, place);
	return place;
}

/* Gets the place of a path; makes it, and those above it, where missing. */
static struct origin *get_locked(struct origins *p, const char *path)
{
	struct origin *above = NULL;
	size_t bytes = 0; /* of the path so far, first that of the root */

	for (;;) {
		struct origin *place = find_locked(p, path, bytes);

		if (!place)
			place = make_locked(p, path, bytes, above);
		if (!place) {
			prune_locked(p, above);
			return NULL;
		}
		if (path[bytes] == '\0')
			return place;
		above = place;
		bytes += bytes > 0 || *path == '/';
		bytes += strcspn(path + bytes, "/");
	}
}

static int add_locked(struct origins *p, const char *path, mapfs_ino ino)
{
	struct origin *place = get_locked(p, path);
	mapfs_ino *inos;

	if (!place)
		return -ENOMEM;
	inos = realloc(place->inos, (place->count + 1) * sizeof(*inos));
	if (!inos) {
		prune_locked(p, place);
		return -ENOMEM;
	}
	place->inos = inos;
	inos[place->count++] = ino;
	return 0;
}

int origins_add(struct origins *p, const char *path, mapfs_ino ino)
{
	int err;

	rmutex_lock(&p->lock);
	err = add_locked(p, path, ino);
	rmutex_unlock(&p->lock);
	return err;
}

void origins_remove(struct origins *p, const char *path, mapfs_ino ino)
{
	struct origin *place;

	rmutex_lock(&p->lock);
	place = find_locked(p, path, strlen(path));
	for (uint32_t n = 0; place && n < place->count; n++) {
		if (place->inos[n] != ino)
			continue;
		place->count--;
		memmove(&place->inos[n], &place->inos[n + 1],
			(place->count - n) * sizeof(*place->inos));
		prune_locked(p, place);
		break;
	}
	rmutex_unlock(&p->lock);
}

bool origins_is_empty(struct origins *p)
{
	bool is_empty;

	rmutex_lock(&p->lock);
	is_empty = p->all == NULL;
	rmutex_unlock(&p->lock);
	return is_empty;
}

mapfs_ino origins_get(struct origins *p, const char *path, unsigned int n)
{
	const struct origin *place;
	mapfs_ino ino = 0;

	rmutex_lock(&p->lock);
	place = find_locked(p, path, strlen(path));
	if (place && n < place->count)
		ino = place->inos[place->count - 1 - n];
	rmutex_unlock(&p->lock);
	return ino;
}

mapfs_ino origins_below(struct origins *p, const char *path)
{
	const struct origin *place;
	mapfs_ino ino = 0;

	rmutex_lock(&p->lock);
	place = find_locked(p, path, strlen(path));
	place = place ? place->below : NULL;
	while (place && place->count == 0)
		place = place->below;
	if (place)
		ino = place->inos[place->count - 1];
	rmutex_unlock(&p->lock);
	return ino;
}

static int by_name(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	return strcmp(*x, *y);
}

/* Paths come from a journal, so their parts need not be names [S1]. */
static bool is_name(const struct origin *place, const char *name)
{
	const size_t above = strlen(place->above->path);
	const size_t len = strlen(name);

	return len > 0 && len <= NAME_MAX && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0 &&
	       strlen(place->path) == above + (above > 0) + len;
}

struct name_list {
	char **names;
	size_t count;
	size_t cap;
};

static void name_list_fini(struct name_list *l)
{
	while (l->count > 0)
		free(l->names[--l->count]);
	free(l->names);
}

static int name_list_add(struct name_list *l, const struct origin *place)
{
	const char *name = name_of(place);
	int err;

	if (!is_name(place, name))
		return 0;
	err = array_reserve(&l->names, &l->cap, l->count + 1);
	if (err)
		return err;
	l->names[l->count] = strdup(name);
	if (!l->names[l->count])
		return -ENOMEM;
	l->count++;
	return 0;
}

static int list_locked(const struct origins *p, const char *path,
		       struct name_list *l)
{
	const struct origin *dir = find_locked(p, path, strlen(path));
	const struct origin *place;
	int err = 0;

	if (dir)
		DL_FOREACH(dir->below, place)
			if (!err)
				err = name_list_add(l, place);
	return err;
}

int origins_list(struct origins *p, const char *path, char ***out,
		 size_t *count)
{
	struct name_list l = { .count = 0 };
	int err;

	rmutex_lock(&p->lock);
	err = list_locked(p, path, &l);
	rmutex_unlock(&p->lock);
	if (err) {
		name_list_fini(&l);
		return err;
	}
	if (l.count > 1)
		qsort(l.names, l.count, sizeof(*l.names), by_name);
	*out = l.names;
	*count = l.count;
	return 0;
}

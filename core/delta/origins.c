/* SPDX-License-Identifier: MIT */
/*
 * A tree of places, with a hash table of (place above, name).  A place exists as
 * long as an inode is at it or below it, so each leaf has one.
 */
#include "origins.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "core/lib/array.h"
#include "core/lib/checksum.h"

struct origin {
	struct table_link link;
	struct origin *above; /* NULL: the root, whose name is "" */
	struct origin *below; /* the first, if any */
	struct origin *prev;  /* in the same directory */
	struct origin *next;
	union {
		mapfs_ino ino;	 /* count 1 */
		mapfs_ino *inos; /* more; oldest first */
	};
	uint32_t count;
	uint32_t name_bytes;
	char name[];
};

static uint64_t hash_of(const struct origin *above, const char *name,
			size_t bytes)
{
	return checksum64(name, bytes, (uintptr_t)above);
}

static uint64_t origin_hash(const struct table_link *l)
{
	const struct origin *place = (const struct origin *)l;

	static_assert(offsetof(struct origin, link) == 0, "a cast is enough");
	return hash_of(place->above, place->name, place->name_bytes);
}

void origins_init(struct origins *p)
{
	*p = (struct origins){ .root = NULL };
	table_init(&p->all, origin_hash);
	rmutex_init(&p->lock, RANK_LEAF);
}

static void origin_destroy(struct origin *place)
{
	if (place->count > 1)
		free(place->inos);
	free(place);
}

void origins_clear(struct origins *p)
{
	struct table all;

	rmutex_lock(&p->lock);
	all = p->all;
	table_init(&p->all, origin_hash);
	p->root = NULL;
	p->shared = 0;
	rmutex_unlock(&p->lock);
	for (uint64_t n = 0; n < table_buckets(&all); n++) {
		struct table_link *l = table_bucket(&all, n);

		while (l) {
			struct origin *place = (struct origin *)l;

			l = l->next;
			origin_destroy(place);
		}
	}
	table_fini(&all);
}

void origins_fini(struct origins *p)
{
	origins_clear(p);
	rmutex_fini(&p->lock);
}

static struct origin *child_locked(const struct origins *p,
				   const struct origin *above, const char *name,
				   size_t bytes)
{
	struct table_link *l =
		table_chain(&p->all, hash_of(above, name, bytes));

	for (; l; l = l->next) {
		struct origin *place = (struct origin *)l;

		if (place->above == above && place->name_bytes == bytes &&
		    memcmp(place->name, name, bytes) == 0)
			return place;
	}
	return NULL;
}

/* Cuts the next name off a path; false: there is none. */
static bool next_name(const char **path, const char **name, size_t *bytes)
{
	if (**path == '\0')
		return false;
	*name = *path;
	*bytes = strcspn(*path, "/");
	*path += *bytes;
	*path += **path == '/';
	return true;
}

static struct origin *find_locked(const struct origins *p, const char *path)
{
	struct origin *place = p->root;
	const char *name;
	size_t bytes;

	while (place && next_name(&path, &name, &bytes))
		place = child_locked(p, place, name, bytes);
	return place;
}

/* Removes the place, and those above it, that no inode needs any more. */
static void prune_locked(struct origins *p, struct origin *place)
{
	while (place && place->count == 0 && !place->below) {
		struct origin *above = place->above;

		if (above)
			DL_DELETE(above->below, place);
		else
			p->root = NULL;
		table_remove(&p->all, &place->link);
		origin_destroy(place);
		place = above;
	}
}

static struct origin *make_locked(struct origins *p, struct origin *above,
				  const char *name, size_t bytes)
{
	struct origin *place = calloc(1, sizeof(*place) + bytes + 1);

	if (!place)
		return NULL;
	memcpy(place->name, name, bytes);
	place->name_bytes = (uint32_t)bytes;
	place->above = above;
	if (table_insert(&p->all, &place->link)) {
		free(place);
		return NULL;
	}
	if (above)
		DL_APPEND(above->below, place);
	else
		p->root = place;
	return place;
}

/* Gets the place of a path; makes it, and those above it, where missing. */
static struct origin *get_locked(struct origins *p, const char *path)
{
	struct origin *above = p->root;
	const char *name;
	size_t bytes;

	if (!above)
		above = make_locked(p, NULL, "", 0);
	while (above && next_name(&path, &name, &bytes)) {
		struct origin *place = child_locked(p, above, name, bytes);

		if (!place)
			place = make_locked(p, above, name, bytes);
		if (!place)
			prune_locked(p, above);
		above = place;
	}
	return above;
}

static const mapfs_ino *inos_of(const struct origin *place)
{
	return place->count > 1 ? place->inos : &place->ino;
}

static int add_locked(struct origins *p, const char *path, mapfs_ino ino)
{
	struct origin *place = get_locked(p, path);
	mapfs_ino *inos;

	if (!place)
		return -ENOMEM;
	if (place->count == 0) {
		place->ino = ino;
		place->count = 1;
		return 0;
	}
	/* The place is as it was if this fails. */
	inos = malloc((place->count + 1) * sizeof(*inos));
	if (!inos)
		return -ENOMEM;
	memcpy(inos, inos_of(place), place->count * sizeof(*inos));
	inos[place->count] = ino;
	if (place->count > 1)
		free(place->inos);
	else
		p->shared++;
	place->inos = inos;
	place->count++;
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

static void remove_locked(struct origins *p, struct origin *place, uint32_t n)
{
	mapfs_ino *inos = place->inos;

	place->count--;
	if (place->count == 0) {
		prune_locked(p, place);
		return;
	}
	memmove(&inos[n], &inos[n + 1], (place->count - n) * sizeof(*inos));
	if (place->count > 1)
		return;
	place->ino = inos[0];
	free(inos);
	p->shared--;
}

void origins_remove(struct origins *p, const char *path, mapfs_ino ino)
{
	struct origin *place;

	rmutex_lock(&p->lock);
	place = find_locked(p, path);
	for (uint32_t n = 0; place && n < place->count; n++) {
		if (inos_of(place)[n] == ino) {
			remove_locked(p, place, n);
			break;
		}
	}
	rmutex_unlock(&p->lock);
}

bool origins_is_empty(struct origins *p)
{
	bool is_empty;

	rmutex_lock(&p->lock);
	is_empty = p->root == NULL;
	rmutex_unlock(&p->lock);
	return is_empty;
}

mapfs_ino origins_get(struct origins *p, const char *path, unsigned int n)
{
	const struct origin *place;
	mapfs_ino ino = 0;

	rmutex_lock(&p->lock);
	place = find_locked(p, path);
	if (place && n < place->count)
		ino = inos_of(place)[place->count - 1 - n];
	rmutex_unlock(&p->lock);
	return ino;
}

unsigned int origins_rank(struct origins *p, const char *path, mapfs_ino ino)
{
	const struct origin *place;
	uint32_t n = 0;

	rmutex_lock(&p->lock);
	place = find_locked(p, path);
	while (place && n < place->count && inos_of(place)[n] != ino)
		n++;
	if (!place || n == place->count)
		n = 0;
	rmutex_unlock(&p->lock);
	return n;
}

bool origins_are_simple(struct origins *p)
{
	bool are_simple;

	rmutex_lock(&p->lock);
	are_simple = p->shared == 0;
	rmutex_unlock(&p->lock);
	return are_simple;
}

mapfs_ino origins_below(struct origins *p, const char *path)
{
	const struct origin *place;
	mapfs_ino ino = 0;

	rmutex_lock(&p->lock);
	place = find_locked(p, path);
	place = place ? place->below : NULL;
	while (place && place->count == 0)
		place = place->below;
	if (place)
		ino = inos_of(place)[place->count - 1];
	rmutex_unlock(&p->lock);
	return ino;
}

struct ino_list {
	mapfs_ino *inos;
	size_t count;
	size_t cap;
};

static int ino_list_add(struct ino_list *l, const struct origin *place)
{
	int err = array_reserve(&l->inos, &l->cap, l->count + place->count);

	if (err || place->count == 0)
		return err;
	memcpy(l->inos + l->count, inos_of(place),
	       place->count * sizeof(*l->inos));
	l->count += place->count;
	return 0;
}

/* Of all places below `top`, each before those below it; NULL: no more. */
static const struct origin *next_place(const struct origin *place,
				       const struct origin *top)
{
	if (place->below)
		return place->below;
	while (place != top && !place->next)
		place = place->above;
	return place == top ? NULL : place->next;
}

int origins_inos(struct origins *p, const char *path, mapfs_ino **out,
		 size_t *count)
{
	const struct origin *top;
	struct ino_list l = { 0 };
	int err = 0;

	rmutex_lock(&p->lock);
	top = find_locked(p, path);
	for (const struct origin *o = top; o && !err; o = next_place(o, top))
		err = ino_list_add(&l, o);
	rmutex_unlock(&p->lock);
	if (err) {
		free(l.inos);
		return err;
	}
	*out = l.inos;
	*count = l.count;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	return strcmp(*x, *y);
}

/* Paths come from a journal, so their parts need not be names [S1]. */
static bool is_name(const char *name)
{
	const size_t len = strlen(name);

	return len > 0 && len <= NAME_MAX && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
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
	const char *name = place->name;
	int err;

	if (!is_name(name))
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
	const struct origin *dir = find_locked(p, path);
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

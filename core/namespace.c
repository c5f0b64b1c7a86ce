/* SPDX-License-Identifier: MIT */
/*
 * One hash table over (directory, name) and, per directory with changes, an
 * array of its dentries.  Cookies are handed out in growing order, so the
 * array is sorted by birth and a cookie is found by bisection; a removed
 * dentry leaves a gap that is closed when gaps are the majority.
 */
#include "namespace.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct dirslot {
	uint64_t cookie;
	struct dentry *dentry; /* NULL: a gap */
};

struct dirlist {
	UT_hash_handle hh;
	mapfs_ino dir;
	uint64_t next_cookie;
	size_t used; /* slots, gaps included */
	size_t live; /* dentries */
	size_t cap;
	struct dirslot *slots;
};

struct dentry_key {
	mapfs_ino dir;
	char name[NAME_MAX + 1];
};

void namespace_init(struct namespace *ns)
{
	*ns = (struct namespace){ 0 };
}

void namespace_fini(struct namespace *ns)
{
	struct dirlist *l;
	struct dirlist *tmp;

	HASH_CLEAR(hh, ns->dentries);
	HASH_ITER(hh, ns->dirs, l, tmp) {
		HASH_DEL(ns->dirs, l);
		for (size_t i = 0; i < l->used; i++)
			free(l->slots[i].dentry);
		free(l->slots);
		free(l);
	}
	namespace_init(ns);
}

struct dentry *namespace_lookup(const struct namespace *ns, mapfs_ino dir,
				const char *name, size_t name_bytes)
{
	struct dentry_key key;
	struct dentry *d = NULL;

	if (name_bytes > NAME_MAX || !ns->dentries)
		return NULL;
	key.dir = dir;
	memcpy(key.name, name, name_bytes);
	HASH_FIND(hh, ns->dentries, &key, sizeof(key.dir) + name_bytes, d);
	return d;
}

static struct dirlist *dirlist_find(const struct namespace *ns, mapfs_ino dir)
{
	struct dirlist *l = NULL;

	HASH_FIND(hh, ns->dirs, &dir, sizeof(dir), l);
	return l;
}

static struct dirlist *dirlist_find_or_add(struct namespace *ns, mapfs_ino dir)
{
	struct dirlist *l = dirlist_find(ns, dir);

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->dir = dir;
	l->next_cookie = 1;
	HASH_ADD(hh, ns->dirs, dir, sizeof(l->dir), l);
	if (!l->hh.tbl) {
		free(l);
		return NULL;
	}
	return l;
}

/* Index of the first slot whose cookie is above `cookie`. */
static size_t dirlist_after(const struct dirlist *l, uint64_t cookie)
{
	size_t low = 0;
	size_t high = l->used;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (l->slots[mid].cookie <= cookie)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void dirlist_close_gaps(struct dirlist *l)
{
	size_t to = 0;

	for (size_t i = 0; i < l->used; i++)
		if (l->slots[i].dentry)
			l->slots[to++] = l->slots[i];
	assert(to == l->live);
	l->used = to;
}

static int dirlist_reserve(struct dirlist *l)
{
	size_t cap = l->cap ? l->cap * 2 : 4;
	struct dirslot *slots;

	if (l->used < l->cap)
		return 0;
	slots = realloc(l->slots, cap * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	l->slots = slots;
	l->cap = cap;
	return 0;
}

static void dirlist_append(struct dirlist *l, struct dentry *d)
{
	assert(l->used < l->cap);
	d->cookie = l->next_cookie++;
	l->slots[l->used++] = (struct dirslot){ d->cookie, d };
	l->live++;
}

static void dirlist_remove(struct dirlist *l, const struct dentry *d)
{
	size_t i = dirlist_after(l, d->cookie) - 1;

	assert(l->slots[i].dentry == d);
	l->slots[i].dentry = NULL;
	l->live--;
	if (l->used > 16 && l->live < l->used / 2)
		dirlist_close_gaps(l);
}

static struct dentry *dentry_new(mapfs_ino dir, const char *name,
				 size_t name_bytes)
{
	struct dentry *d = calloc(1, sizeof(*d) + name_bytes + 1);

	if (!d)
		return NULL;
	d->dir = dir;
	d->name_bytes = (uint16_t)name_bytes;
	memcpy(d->name, name, name_bytes);
	return d;
}

int namespace_insert(struct namespace *ns, mapfs_ino dir, const char *name,
		     size_t name_bytes, mapfs_ino ino, uint16_t type,
		     bool over_base)
{
	struct dirlist *l = dirlist_find_or_add(ns, dir);
	const struct dentry *old;
	struct dentry *d;

	if (!l || dirlist_reserve(l))
		return -ENOMEM;
	d = dentry_new(dir, name, name_bytes);
	if (!d)
		return -ENOMEM;
	d->ino = ino;
	d->type = type;
	d->over_base = over_base;
	old = namespace_lookup(ns, dir, name, name_bytes);
	d->hidden = old ? old->hidden : 0;
	namespace_remove(ns, dir, name, name_bytes);
	HASH_ADD(hh, ns->dentries, dir,
		 offsetof(struct dentry, name) - offsetof(struct dentry, dir) +
			 name_bytes,
		 d);
	if (!d->hh.tbl) {
		free(d);
		return -ENOMEM;
	}
	dirlist_append(l, d);
	return 0;
}

void namespace_remove(struct namespace *ns, mapfs_ino dir, const char *name,
		      size_t name_bytes)
{
	struct dentry *d = namespace_lookup(ns, dir, name, name_bytes);

	if (!d)
		return;
	HASH_DEL(ns->dentries, d);
	dirlist_remove(dirlist_find(ns, dir), d);
	free(d);
}

void namespace_drop(struct namespace *ns, mapfs_ino dir)
{
	struct dirlist *l = dirlist_find(ns, dir);

	if (!l)
		return;
	for (size_t i = 0; i < l->used; i++) {
		if (!l->slots[i].dentry)
			continue;
		HASH_DEL(ns->dentries, l->slots[i].dentry);
		free(l->slots[i].dentry);
	}
	HASH_DEL(ns->dirs, l);
	free(l->slots);
	free(l);
}

struct dentry *namespace_next(const struct namespace *ns, mapfs_ino dir,
			      uint64_t cookie)
{
	const struct dirlist *l = dirlist_find(ns, dir);

	if (!l)
		return NULL;
	for (size_t i = dirlist_after(l, cookie); i < l->used; i++)
		if (l->slots[i].dentry)
			return l->slots[i].dentry;
	return NULL;
}

bool namespace_has(const struct namespace *ns, mapfs_ino dir)
{
	const struct dirlist *l = dirlist_find(ns, dir);

	return l && l->live > 0;
}

int namespace_iterate(const struct namespace *ns,
		      int (*fn)(void *arg, const struct dentry *d), void *arg)
{
	const struct dirlist *l;
	const struct dirlist *tmp;

	HASH_ITER(hh, ns->dirs, l, tmp) {
		for (size_t i = 0; i < l->used; i++) {
			int ret = l->slots[i].dentry ?
					  fn(arg, l->slots[i].dentry) :
					  0;

			if (ret)
				return ret;
		}
	}
	return 0;
}

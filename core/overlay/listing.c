/* SPDX-License-Identifier: MIT */
/*
 * A listing is two arrays, of names and of their text, and a hash table that
 * finds names by their slot.
 *
 * The base may have lost the name of an object that the delta still has, or
 * may have another object there; listing_add_lost() corrects both.
 */
#include "listing.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/array.h"
#include "core/lib/path.h"
#include "lookup.h"
#include "lost.h"

#define LISTINGS_MAX 16
#define LISTINGS_BYTES (64U << 20)

struct base_name {
	uint64_t ino;
	uint32_t at;   /* of the name in text */
	uint16_t type; /* S_IFMT bits */
};

struct listing {
	mapfs_ino dir;
	uint32_t users;	   /* by listings.lock */
	uint64_t last_use; /* by listings.lock */
	size_t count;
	size_t cap;
	struct base_name *names;
	char *text;
	size_t text_bytes;
	size_t text_cap;
	uint32_t *index; /* hash table of n + 1, by slot of the name; 0: free */
	size_t index_mask;
	_Atomic uint64_t none_lost; /* listing_none_lost() */
};

struct listings {
	struct rmutex lock;		    /* RANK_LEAF */
	uint64_t clock;			    /* by lock */
	struct listing *kept[LISTINGS_MAX]; /* by lock */
};

int listings_create(struct listings **out)
{
	struct listings *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	rmutex_init(&l->lock, RANK_LEAF);
	*out = l;
	return 0;
}

static void listing_destroy(struct listing *l)
{
	if (!l)
		return;
	free(l->names);
	free(l->text);
	free(l->index);
	free(l);
}

void listings_destroy(struct listings *l)
{
	if (!l)
		return;
	for (int i = 0; i < LISTINGS_MAX; i++)
		listing_destroy(l->kept[i]);
	rmutex_fini(&l->lock);
	free(l);
}

static size_t listing_bytes(const struct listing *l)
{
	return l->cap * sizeof(*l->names) + l->text_cap +
	       l->index_mask * sizeof(*l->index);
}

static int listing_add(void *arg, const char *name, uint64_t ino, mode_t type,
		       uint64_t cookie)
{
	struct listing *l = arg;
	size_t len = strlen(name) + 1;
	int err;

	(void)cookie;
	if (path_is_dot(name))
		return 0;
	if (l->text_bytes + len > UINT32_MAX)
		return -EOVERFLOW;
	err = array_reserve(&l->names, &l->cap, l->count + 1);
	if (!err)
		err = array_reserve(&l->text, &l->text_cap,
				    l->text_bytes + len);
	if (err)
		return err;
	memcpy(l->text + l->text_bytes, name, len);
	l->names[l->count++] = (struct base_name){
		.ino = ino,
		.at = (uint32_t)l->text_bytes,
		.type = (uint16_t)(type & S_IFMT),
	};
	l->text_bytes += len;
	return 0;
}

int listing_iterate_base(struct overlay *o, struct inode *dir,
			 base_dirent_fn fn, void *arg)
{
	int ret = 0;

	if (!overlay_has_base(o, dir))
		return 0;
	if (!dir->is_foreign && !dir->is_stand_in)
		ret = base_readdir(o->base, dir, 0, fn, arg);
	return overlay_lost_dir(o, dir, ret) ? 0 : ret;
}

void changed_names_fini(struct changed_names *c)
{
	for (size_t n = 0; n < c->count; n++)
		free(c->name[n]);
	free(c->name);
	free(c->path);
	*c = (struct changed_names){ 0 };
}

int changed_names_init(struct changed_names *c, struct overlay *o,
		       struct inode *dir)
{
	int err;

	*c = (struct changed_names){ 0 };
	if (origins_is_empty(&o->set.origins) || !overlay_has_base(o, dir))
		return 0;
	err = inode_base_path(o->itable, dir, &c->path);
	if (!err)
		err = origins_list(&o->set.origins, c->path, &c->name,
				   &c->count);
	if (err)
		changed_names_fini(c);
	/* -ESTALE: no path leads there, so the delta has nothing of it. */
	return err == -ESTALE ? 0 : err;
}

static int compare_name(const void *name, const void *element)
{
	return strcmp(name, *(const char *const *)element);
}

struct listing_ctx {
	struct listing *l;
	const struct changed_names *changed;
	size_t *at; /* of each changed name: 1 + its number; 0: not listed */
};

static int listing_note(void *arg, const char *name, uint64_t ino, mode_t type,
			uint64_t cookie)
{
	const struct listing_ctx *a = arg;
	const struct changed_names *c = a->changed;
	char **found = NULL;
	int err = listing_add(a->l, name, ino, type, cookie);

	if (!err && c->count > 0)
		found = bsearch(name, c->name, c->count, sizeof(*c->name),
				compare_name);
	if (found)
		a->at[found - c->name] = a->l->count;
	return err;
}

/* Does the base list the object of the delta under this name? */
static bool is_listed(struct overlay *o, const struct changed_names *c,
		      const char *name, mapfs_ino ino)
{
	bool is = false;
	mapfs_ino known;
	char *path;

	if (path_join(&path, c->path, name))
		return false;
	for (unsigned int n = 0;
	     !is && (known = origins_get(&o->set.origins, path, n)); n++)
		is = known == ino;
	free(path);
	return is;
}

/* Objects of the delta whose names the base lost or gave to others. */
static int listing_add_lost(struct overlay *o, struct inode *dir,
			    const struct listing_ctx *a)
{
	int err = 0;

	for (size_t n = 0; n < a->changed->count && !err; n++) {
		const char *name = a->changed->name[n];
		struct base_name *at = a->at[n] ? &a->l->names[a->at[n] - 1] :
						  NULL;
		struct inode *i;

		if (at && is_listed(o, a->changed, name, at->ino))
			continue;
		err = overlay_find_in_base(o, dir, name, &i);
		/* A lookup of the name reports the error. */
		if (err && err != -ENOMEM)
			err = 0;
		else if (!err && i && at)
			*at = (struct base_name){ i->ino, at->at, i->type };
		else if (!err && i)
			err = listing_add(a->l, name, i->ino, i->type, 0);
		if (!err && i)
			overlay_put(o, i);
	}
	return err;
}

static int listing_fill(struct overlay *o, struct inode *dir, struct listing *l)
{
	struct changed_names changed;
	struct listing_ctx a = { .l = l, .changed = &changed };
	int err = changed_names_init(&changed, o, dir);

	if (err)
		return err;
	a.at = calloc(changed.count + 1, sizeof(*a.at));
	if (!a.at)
		err = -ENOMEM;
	if (!err)
		err = listing_iterate_base(o, dir, listing_note, &a);
	if (!err)
		err = listing_add_lost(o, dir, &a);
	free(a.at);
	changed_names_fini(&changed);
	return err;
}

mapfs_ino listing_dir(const struct listing *l)
{
	return l->dir;
}

size_t listing_count(const struct listing *l)
{
	return l->count;
}

mapfs_ino listing_ino(const struct listing *l, size_t n)
{
	return l->names[n].ino;
}

uint16_t listing_type(const struct listing *l, size_t n)
{
	return l->names[n].type;
}

bool listing_none_lost(const struct listing *l, uint64_t version)
{
	return l->none_lost == version;
}

void listing_set_none_lost(struct listing *l, uint64_t version)
{
	l->none_lost = version;
}

const char *listing_name(const struct listing *l, size_t n)
{
	return l->text + l->names[n].at;
}

uint64_t listing_position(const struct listing *l, size_t n)
{
	const char *name = listing_name(l, n);

	return namespace_base_position(name, strlen(name));
}

/* Spreads the upper bits of a slot, which are the hash. */
static size_t index_at(const struct listing *l, uint64_t position)
{
	return (position >> POSITION_PLACE_BITS) & l->index_mask;
}

static int listing_index(struct listing *l)
{
	size_t size = 4;

	while (size < l->count * 2)
		size *= 2;
	l->index = calloc(size, sizeof(*l->index));
	if (!l->index)
		return -ENOMEM;
	l->index_mask = size - 1;
	for (size_t n = 0; n < l->count; n++) {
		size_t at = index_at(l, listing_position(l, n));

		while (l->index[at])
			at = (at + 1) & l->index_mask;
		l->index[at] = (uint32_t)n + 1;
	}
	return 0;
}

size_t listing_find(const struct listing *l, uint64_t position)
{
	size_t at = index_at(l, position);

	position |= POSITION_PLACE_MASK;
	for (; l->index[at]; at = (at + 1) & l->index_mask)
		if (listing_position(l, l->index[at] - 1) == position)
			return l->index[at] - 1;
	return l->count;
}

static int listing_read(struct overlay *o, struct inode *dir,
			struct listing **out)
{
	struct listing *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->dir = dir->ino;
	l->users = 1;
	err = listing_fill(o, dir, l);
	if (!err)
		err = listing_index(l);
	if (err) {
		listing_destroy(l);
		return err;
	}
	*out = l;
	return 0;
}

static struct listing *listings_find(struct listings *all, mapfs_ino dir)
{
	struct listing *l = NULL;

	rmutex_lock(&all->lock);
	for (int i = 0; i < LISTINGS_MAX; i++) {
		if (all->kept[i] && all->kept[i]->dir == dir) {
			l = all->kept[i];
			l->users++;
			l->last_use = ++all->clock;
			break;
		}
	}
	rmutex_unlock(&all->lock);
	return l;
}

/* Keeps the listing, maybe in the place of an older one without users. */
static void listings_keep(struct listings *all, struct listing *l)
{
	size_t total = listing_bytes(l);
	int slot = -1;

	for (int i = 0; i < LISTINGS_MAX; i++) {
		struct listing *k = all->kept[i];

		if (k && k->dir == l->dir)
			return; /* another thread has kept one */
		if (k)
			total += listing_bytes(k);
		if (k && k->users > 0)
			continue;
		if (slot < 0 ||
		    (all->kept[slot] &&
		     (!k || k->last_use < all->kept[slot]->last_use)))
			slot = i;
	}
	if (slot < 0 || total > LISTINGS_BYTES)
		return;
	listing_destroy(all->kept[slot]);
	all->kept[slot] = l;
	l->last_use = ++all->clock;
}

static bool listings_has(const struct listings *all, const struct listing *l)
{
	for (int i = 0; i < LISTINGS_MAX; i++)
		if (all->kept[i] == l)
			return true;
	return false;
}

void listing_put(struct listings *all, struct listing *l, bool done)
{
	bool last;

	rmutex_lock(&all->lock);
	if (l->users == 1 && !done && !listings_has(all, l))
		listings_keep(all, l);
	last = --l->users == 0;
	for (int i = 0; last && done && i < LISTINGS_MAX; i++)
		if (all->kept[i] == l)
			all->kept[i] = NULL;
	last = last && !listings_has(all, l);
	rmutex_unlock(&all->lock);
	if (last)
		listing_destroy(l);
}

/* A listing that is too large to be kept is read again for each READDIR. */
int listing_get(struct overlay *o, struct inode *dir, struct listing **out)
{
	struct listing *l = listings_find(o->listings, dir->ino);

	if (l) {
		*out = l;
		return 0;
	}
	return listing_read(o, dir, out);
}

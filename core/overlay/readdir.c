/* SPDX-License-Identifier: MIT */
/*
 * Listing a directory of a copy view: the delta's new names and the base's,
 * as far as the delta does not take them away.
 *
 * No state belongs to an open directory (opening sends no message), so a
 * cookie must say it all and stay true while names come and go.  The base's
 * names do not change, so they are read once into a listing and counted.  The
 * delta's have a position (namespace.h).  In this order:
 *
 *   cookie                            what was told last
 *   0                                 nothing
 *   1, 2                              ".", ".."
 *   COOKIE_DELTA | position           a new name
 *   COOKIE_RENAMED | n | place        a name that an object got which lost the
 *                                     base's n-th name, in that one's slot
 *   COOKIE_BASE + n                   the base's n-th name: the base's object,
 *                                     or what the view gave that name
 *   COOKIE_DELTA | position           the last two kinds, where the base has
 *                                     lost the name behind our back
 *
 * A few listings are kept, so that the next READDIR of the same directory
 * does not read the base again.
 */
#include "overlay_priv.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/path.h"

#define COOKIE_DOT 1U
#define COOKIE_DOTDOT 2U
#define COOKIE_BASE 3U /* of the first base name */
#define COOKIE_RENAMED (1ULL << 62)
#define COOKIE_DELTA (1ULL << 61)

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
	_Atomic uint64_t none_lost; /* version of the delta's names of which
				       none is in a slot that is not here */
};

struct listings {
	struct rmutex lock;		    /* RANK_LEAF */
	uint64_t clock;			    /* by lock */
	struct listing *kept[LISTINGS_MAX]; /* by lock */
};

/* One step of a listing, copied out so that no lock is held while telling. */
struct step {
	uint64_t cookie;
	mapfs_ino ino;
	uint16_t type;
	char name[NAME_MAX + 1];
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

/* Makes `*p` hold at least `need` elements of `size`; doubles. */
static int grow(void **p, size_t *cap, size_t need, size_t size)
{
	size_t n = *cap ? *cap : 64;
	void *q;

	if (need <= *cap)
		return 0;
	while (n < need)
		n *= 2;
	q = realloc(*p, n * size);
	if (!q)
		return -ENOMEM;
	*p = q;
	*cap = n;
	return 0;
}

static int listing_add(void *arg, const char *name, uint64_t ino, mode_t type,
		       uint64_t cookie)
{
	struct listing *l = arg;
	size_t len = strlen(name) + 1;
	void *names = l->names;
	void *text = l->text;
	int err;

	(void)cookie;
	if (path_is_dot(name))
		return 0;
	if (l->text_bytes + len > UINT32_MAX)
		return -EOVERFLOW;
	err = grow(&names, &l->cap, l->count + 1, sizeof(*l->names));
	l->names = names;
	if (!err)
		err = grow(&text, &l->text_cap, l->text_bytes + len, 1);
	l->text = text;
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

/* What the base tells, or nothing if it lost the directory. */
static int list_base(struct overlay *o, struct inode *dir, base_dirent_fn fn,
		     void *arg)
{
	int ret = 0;

	if (!overlay_has_base(o, dir))
		return 0;
	if (!dir->is_foreign && !dir->is_stand_in)
		ret = base_readdir(o->base, dir, 0, fn, arg);
	return overlay_lost_dir(o, dir, ret) ? 0 : ret;
}

/* Names of a directory that lead to objects of the delta. */
struct changed_names {
	char *path;  /* of the directory, in the base */
	char **name; /* sorted */
	size_t count;
};

static void changed_names_fini(struct changed_names *c)
{
	for (size_t n = 0; n < c->count; n++)
		free(c->name[n]);
	free(c->name);
	free(c->path);
	*c = (struct changed_names){ 0 };
}

static int changed_names_init(struct changed_names *c, struct overlay *o,
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
	/* Without a way to it nothing of it was changed. */
	return err == -ESTALE ? 0 : err;
}

static int compare_name(const void *name, const void *element)
{
	return strcmp(name, *(const char *const *)element);
}

struct listing_arg {
	struct listing *l;
	const struct changed_names *changed;
	size_t *at; /* 1 + where each of these is in the listing; 0: nowhere */
};

static int listing_note(void *arg, const char *name, uint64_t ino, mode_t type,
			uint64_t cookie)
{
	const struct listing_arg *a = arg;
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

/* Is it the object of the delta that the base lists there? */
static bool is_listed(struct overlay *o, const struct changed_names *c,
		      const char *name, mapfs_ino ino)
{
	bool is = false;
	mapfs_ino known;
	char *path;

	if (asprintf(&path, "%s%s%s", c->path, *c->path ? "/" : "", name) < 0)
		return false;
	for (unsigned int n = 0;
	     !is && (known = origins_get(&o->set.origins, path, n)); n++)
		is = known == ino;
	free(path);
	return is;
}

/* What the base does not list, or has something else for. */
static int listing_add_lost(struct overlay *o, struct inode *dir,
			    const struct listing_arg *a)
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
		/* Its LOOKUP will say why. */
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
	struct listing_arg a = { .l = l, .changed = &changed };
	int err = changed_names_init(&changed, o, dir);

	if (err)
		return err;
	a.at = calloc(changed.count + 1, sizeof(*a.at));
	if (!a.at)
		err = -ENOMEM;
	if (!err)
		err = list_base(o, dir, listing_note, &a);
	if (!err)
		err = listing_add_lost(o, dir, &a);
	free(a.at);
	changed_names_fini(&changed);
	return err;
}

static const char *listing_name(const struct listing *l, size_t n)
{
	return l->text + l->names[n].at;
}

/* Of the n-th name. */
static uint64_t listing_position(const struct listing *l, size_t n)
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

/* The first base name with this slot, or `count`. */
static size_t listing_find(const struct listing *l, uint64_t position)
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

/* Keeps the listing if there is room by letting an older, unused one go. */
static void listings_keep(struct listings *all, struct listing *l)
{
	size_t total = listing_bytes(l);
	int slot = -1;

	for (int i = 0; i < LISTINGS_MAX; i++) {
		struct listing *k = all->kept[i];

		if (k && k->dir == l->dir)
			return; /* somebody else was faster */
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

/*
 * `done`: nobody is expected to go on with it.  The kernel asks once more after
 * the last name.
 */
static void listing_put(struct listings *all, struct listing *l, bool done)
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

/* A listing that is too large to keep is read again for every part of it. */
static int listing_get(struct overlay *o, struct inode *dir,
		       struct listing **out)
{
	struct listing *l = listings_find(o->listings, dir->ino);

	if (l) {
		*out = l;
		return 0;
	}
	return listing_read(o, dir, out);
}

static void step_set(struct step *s, uint64_t cookie, mapfs_ino ino,
		     uint16_t type, const char *name)
{
	s->cookie = cookie;
	s->ino = ino;
	s->type = type;
	memccpy(s->name, name, '\0', sizeof(s->name));
	s->name[NAME_MAX] = '\0';
}

static void step_dentry(struct step *s, uint64_t cookie, const struct dentry *d)
{
	step_set(s, cookie, d->ino, d->type, d->name);
}

static bool step_new(struct overlay *o, const struct listing *l, uint64_t above,
		     struct step *out)
{
	const struct dentry *d;

	do {
		d = namespace_next(&o->set.names, l->dir, above);
		if (!d || (d->position & POSITION_BASE))
			return false;
		above = d->position;
	} while (d->over_base);
	step_dentry(out, COOKIE_DELTA | d->position, d);
	return true;
}

/* A name in the slot of the n-th base name, above `place`. */
static bool step_renamed(struct overlay *o, const struct listing *l, size_t n,
			 uint64_t place, struct step *out)
{
	const uint64_t slot = listing_position(l, n) & ~POSITION_PLACE_MASK;
	const struct dentry *d =
		namespace_next_renamed(&o->set.names, l->dir, slot | place);

	/* Two base names in one slot: all stand before the first. */
	if (!d || listing_find(l, slot) != n)
		return false;
	step_dentry(out,
		    COOKIE_RENAMED | n << POSITION_PLACE_BITS |
			    (d->position & POSITION_PLACE_MASK),
		    d);
	return true;
}

/* The next from the n-th base name on; of that one's slot from `place` on. */
static bool step_base(struct overlay *o, const struct listing *l, size_t n,
		      uint64_t place, struct step *out)
{
	const bool has_delta = namespace_has(&o->set.names, l->dir);

	for (; n < l->count; n++, place = 0) {
		const struct base_name *b = &l->names[n];
		const char *name = listing_name(l, n);
		const struct dentry *d = NULL;

		if (has_delta && step_renamed(o, l, n, place, out))
			return true;
		if (has_delta)
			d = namespace_lookup(&o->set.names, l->dir, name,
					     strlen(name));
		if (d && (d->ino == 0 || !d->over_base))
			continue;
		if (d)
			step_dentry(out, COOKIE_BASE + n, d);
		else
			step_set(out, COOKIE_BASE + n, b->ino, b->type, name);
		return true;
	}
	return false;
}

/* Is it told where the base has the name whose slot it is in? */
static bool is_in_base(const struct listing *l, const struct dentry *d)
{
	return listing_find(l, d->position) < l->count;
}

static bool step_lost(struct overlay *o, struct listing *l, uint64_t above,
		      struct step *out)
{
	const uint64_t version = namespace_version(&o->set.names, l->dir);
	const bool from_start = above == POSITION_BASE;
	const struct dentry *d;

	if (version == l->none_lost)
		return false;
	do {
		d = namespace_next(&o->set.names, l->dir, above);
		if (!d)
			break;
		above = d->position;
	} while (is_in_base(l, d));
	if (d)
		step_dentry(out, COOKIE_DELTA | d->position, d);
	else if (from_start)
		l->none_lost = version;
	return d != NULL;
}

/* ns_lock held for reading. */
static bool step_locked(struct overlay *o, struct listing *l, uint64_t cookie,
			struct step *out)
{
	const uint64_t position = cookie & (COOKIE_DELTA - 1);
	size_t n = 0;
	uint64_t place = 0;

	if ((cookie & COOKIE_DELTA) && (position & POSITION_BASE))
		return step_lost(o, l, position, out);
	if (cookie & COOKIE_RENAMED) {
		n = position >> POSITION_PLACE_BITS;
		place = position & POSITION_PLACE_MASK;
	} else if (cookie & COOKIE_DELTA || cookie < COOKIE_BASE) {
		if (step_new(o, l, cookie < COOKIE_BASE ? 0 : position, out))
			return true;
	} else {
		n = cookie - COOKIE_BASE + 1;
	}
	return step_base(o, l, n, place, out) ||
	       step_lost(o, l, POSITION_BASE, out);
}

static bool step_next(struct overlay *o, struct listing *l, uint64_t cookie,
		      struct step *out)
{
	bool found;

	rwlock_read(&o->ns_lock);
	found = step_locked(o, l, cookie, out);
	rwlock_unlock(&o->ns_lock);
	return found;
}

mapfs_ino overlay_parent_ino(struct overlay *o, struct inode *dir)
{
	mapfs_ino ino = dir->ino;

	if (dir == itable_root(o->itable))
		return ino;
	rwlock_read(delta_stripe(&o->set, dir));
	if (dir->delta)
		ino = dir->delta->attr.parent;
	else if (dir->base_parent)
		ino = dir->base_parent->ino;
	rwlock_unlock(delta_stripe(&o->set, dir));
	return ino;
}

static int tell_dots(struct overlay *o, struct inode *dir, uint64_t *cookie,
		     const struct mapfs_readdir *r)
{
	struct mapfs_dirent d = {
		.name = ".",
		.ino = dir->ino,
		.type = S_IFDIR,
		.cookie = COOKIE_DOT,
	};

	if (*cookie < COOKIE_DOT) {
		if (r->fn(r->arg, &d))
			return 1;
		*cookie = COOKIE_DOT;
	}
	if (*cookie < COOKIE_DOTDOT) {
		d.name = "..";
		d.ino = overlay_parent_ino(o, dir);
		d.cookie = COOKIE_DOTDOT;
		if (r->fn(r->arg, &d))
			return 1;
		*cookie = COOKIE_DOTDOT;
	}
	return 0;
}

/* 1: no room, 0: told or gone meanwhile. */
static int tell_step(struct overlay *o, struct inode *dir, const struct step *s,
		     const struct mapfs_readdir *r)
{
	struct mapfs_dirent d = {
		.name = s->name,
		.ino = s->ino,
		.type = s->type,
		.cookie = s->cookie,
	};
	struct mapfs_entry e;
	int full;
	int err;

	if (!r->plus)
		return r->fn(r->arg, &d);
	err = overlay_lookup(&o->view, dir->ino, s->name, &e);
	if (err == -ENOENT)
		return 0;
	if (err) /* its LOOKUP will say why */
		return r->fn(r->arg, &d);
	d.ino = e.attr.ino;
	d.type = e.attr.mode & S_IFMT;
	d.entry = &e;
	full = r->fn(r->arg, &d);
	if (full)
		overlay_forget(&o->view, e.attr.ino, 1);
	return full;
}

int overlay_readdir(struct mapfs_view *v, mapfs_ino dir_ino,
		    const struct mapfs_readdir *r)
{
	struct overlay *o = overlay_of(v);
	uint64_t cookie = r->cookie;
	struct listing *l;
	struct inode *dir;
	struct step s;
	bool end = true;
	int err = overlay_get(o, dir_ino, &dir);

	if (err)
		return err;
	if (!S_ISDIR(dir->type))
		err = -ENOTDIR;
	if (!err)
		err = listing_get(o, dir, &l);
	if (err) {
		overlay_put(o, dir);
		return err;
	}
	if (tell_dots(o, dir, &cookie, r)) {
		end = false;
	} else {
		while (step_next(o, l, cookie, &s)) {
			if (tell_step(o, dir, &s, r)) {
				end = false;
				break;
			}
			cookie = s.cookie;
		}
	}
	listing_put(o->listings, l, end && cookie == r->cookie);
	overlay_put(o, dir);
	return 0;
}

struct emptiness {
	const struct namespace *names;
	mapfs_ino dir;
};

static int is_hidden(void *arg, const char *name, uint64_t ino, mode_t type,
		     uint64_t cookie)
{
	const struct emptiness *e = arg;

	(void)ino;
	(void)type;
	(void)cookie;
	if (path_is_dot(name))
		return 0;
	return namespace_lookup(e->names, e->dir, name, strlen(name)) ? 0 : 1;
}

/* 1: the base lost something in it that the view still has. */
static int has_lost_names(struct overlay *o, struct inode *dir)
{
	struct changed_names c;
	int ret = changed_names_init(&c, o, dir);

	if (ret)
		return ret;
	for (size_t n = 0; n < c.count && ret == 0; n++) {
		struct inode *i;

		if (namespace_lookup(&o->set.names, dir->ino, c.name[n],
				     strlen(c.name[n])))
			continue;
		ret = overlay_find_in_base(o, dir, c.name[n], &i);
		if (ret || !i)
			continue;
		/* ns_lock is held, so an orphan must wait. */
		(void)inode_put(o->itable, i);
		ret = 1;
	}
	changed_names_fini(&c);
	return ret;
}

/* ns_lock held for writing. */
int overlay_dir_is_empty(struct overlay *o, struct inode *dir, bool *empty)
{
	struct emptiness e = { .names = &o->set.names, .dir = dir->ino };
	int ret = 0;

	if (namespace_next(&o->set.names, dir->ino, 0)) {
		*empty = false;
		return 0;
	}
	ret = list_base(o, dir, is_hidden, &e);
	if (ret == 0)
		ret = has_lost_names(o, dir);
	if (ret < 0)
		return ret;
	*empty = ret == 0;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * A directory of a copy view is listed from two sources: the new names of the
 * delta, and the base's names as far as the delta does not hide them.
 *
 * There is no state of an open directory, because opening one sends no message.
 * So a cookie alone must say where a listing continues, and must stay valid
 * while names are made and removed.  A name of the base is known by its number in the
 * listing of the base, a name of the delta by its position (namespace.h).
 * Names are listed in this order:
 *
 *   cookie                            the name that was listed last
 *   0                                 none
 *   1, 2                              ".", ".."
 *   COOKIE_DELTA | position           a new name
 *   COOKIE_RENAMED | n | place        a name given to an object that lost the
 *                                     base's n-th name, in that name's slot
 *   COOKIE_BASE + n                   the base's n-th name: the base's object,
 *                                     or what the view gave that name
 *   COOKIE_DELTA | position           a name of the last two kinds, if the
 *                                     base has lost its own name since
 */
#include "readdir.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/path.h"
#include "listing.h"
#include "lookup.h"

#define COOKIE_DOT 1U
#define COOKIE_DOTDOT 2U
#define COOKIE_BASE 3U /* of the first base name */
#define COOKIE_RENAMED (1ULL << 62)
#define COOKIE_DELTA (1ULL << 61)

/* One name of a listing, copied, so that no lock is held in the callback. */
struct step {
	uint64_t cookie;
	mapfs_ino ino;
	uint16_t type;
	char name[NAME_MAX + 1];
};

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
		d = namespace_next(&o->set.names, listing_dir(l), above);
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
	const struct dentry *d = namespace_next_renamed(
		&o->set.names, listing_dir(l), slot | place);

	/* If two base names have one slot, all are listed before the first. */
	if (!d || listing_find(l, slot) != n)
		return false;
	step_dentry(out,
		    COOKIE_RENAMED | n << POSITION_PLACE_BITS |
			    (d->position & POSITION_PLACE_MASK),
		    d);
	return true;
}

/*
 * The next name from the n-th base name on; in the slot of that one, only names
 * above `place`.
 */
static bool step_base(struct overlay *o, const struct listing *l, size_t n,
		      uint64_t place, struct step *out)
{
	const bool has_delta = namespace_has(&o->set.names, listing_dir(l));

	for (; n < listing_count(l); n++, place = 0) {
		const char *name = listing_name(l, n);
		const struct dentry *d = NULL;

		if (has_delta && step_renamed(o, l, n, place, out))
			return true;
		if (has_delta)
			d = namespace_lookup(&o->set.names, listing_dir(l),
					     name, strlen(name));
		if (d && (d->ino == 0 || !d->over_base))
			continue;
		if (d)
			step_dentry(out, COOKIE_BASE + n, d);
		else
			step_set(out, COOKIE_BASE + n, listing_ino(l, n),
				 listing_type(l, n), name);
		return true;
	}
	return false;
}

/* Does the listing have the slot of the name, so that it is listed there? */
static bool is_in_base(const struct listing *l, const struct dentry *d)
{
	return listing_find(l, d->position) < listing_count(l);
}

static bool step_lost(struct overlay *o, struct listing *l, uint64_t above,
		      struct step *out)
{
	const uint64_t version =
		namespace_version(&o->set.names, listing_dir(l));
	const bool from_start = above == POSITION_BASE;
	const struct dentry *d;

	if (listing_none_lost(l, version))
		return false;
	do {
		d = namespace_next(&o->set.names, listing_dir(l), above);
		if (!d)
			break;
		above = d->position;
	} while (is_in_base(l, d));
	if (d)
		step_dentry(out, COOKIE_DELTA | d->position, d);
	else if (from_start)
		listing_set_none_lost(l, version);
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

static int list_dots(struct overlay *o, struct inode *dir, uint64_t *cookie,
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

/* 1: no room; 0: listed, or removed meanwhile. */
static int list_step(struct overlay *o, struct inode *dir, const struct step *s,
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
	if (err) /* a lookup of the name reports the error */
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
	if (list_dots(o, dir, &cookie, r)) {
		end = false;
	} else {
		while (step_next(o, l, cookie, &s)) {
			if (list_step(o, dir, &s, r)) {
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

/* 1: the view still has an object that the base lost in the directory. */
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
		/* Not overlay_put(), for ns_lock is held. */
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
	ret = listing_iterate_base(o, dir, is_hidden, &e);
	if (ret == 0)
		ret = has_lost_names(o, dir);
	if (ret < 0)
		return ret;
	*empty = ret == 0;
	return 0;
}

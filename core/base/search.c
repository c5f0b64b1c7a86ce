/* SPDX-License-Identifier: MIT */
/*
 * The number is not passed to the base's file system, which would also open
 * objects outside the base or below another mount [S2].  The object is found
 * by names: up from its number over the directories in which it was last seen
 * (places.h) to one that is known, then down again, looking up each name in
 * the base.
 *
 *      number -> places -> directory's number -> ... -> root, or known
 *      name with that number in the directory <- ... <-
 *
 * If the places have no entry, or a wrong one, one walk over the base renews
 * all of them.  So a number that no object has costs a walk only while the
 * places may lack an entry.
 */
#include "search.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/array.h"
#include "core/lib/path.h"
#include "inode.h"
#include "places.h"
#include "readdir.h"
#include "root_priv.h"

/* A longer way is a circle, made of entries from before and after a move. */
#define DEPTH_MOST 8192
/* A walk of another thread may have begun before the object was there. */
#define TRIES 3

/* --- one name -------------------------------------------------------- */

struct name_search {
	struct base *b;
	mapfs_ino dir;
	mapfs_ino ino;
	uint64_t cookie; /* of the name before */
	bool first_only;
	char name[NAME_MAX + 1];
};

/* 1: found; 2: not the first one. */
static int look_at_name(void *arg, const char *name, uint64_t ino, mode_t type,
			uint64_t cookie)
{
	struct name_search *s = arg;
	const struct place here = {
		.ino = ino,
		.dir = s->dir,
		.cookie = s->cookie,
	};

	(void)type;
	s->cookie = cookie;
	if (path_is_dot(name))
		return 0;
	if (ino == s->ino) {
		memcpy(s->name, name, strlen(name) + 1);
		return 1;
	}
	if (s->first_only)
		return 2;
	/* The next object asked for is often in the same directory. */
	places_note(s->b->places, &here);
	return 0;
}

/* The name of the object in `dir`; -ENOENT: it has none there. */
static int find_name(struct base *b, struct inode *dir,
		     const struct place *place, char name[NAME_MAX + 1])
{
	struct name_search s = {
		.b = b,
		.dir = dir->ino,
		.ino = place->ino,
		.cookie = place->cookie,
		.first_only = place->cookie != 0,
	};
	int ret = 0;

	if (dir->is_foreign)
		return -ENOENT;
	if (s.first_only)
		ret = base_readdir(b, dir, place->cookie, look_at_name, &s);
	if (ret != 1) {
		s.first_only = false;
		s.cookie = 0;
		ret = base_readdir(b, dir, 0, look_at_name, &s);
	}
	if (ret == 1)
		memcpy(name, s.name, sizeof(s.name));
	if (ret == -ESTALE)
		return -ENOENT;
	return ret < 0 ? ret : ret == 1 ? 0 : -ENOENT;
}

/* --- up and down ----------------------------------------------------- */

struct step {
	struct place place;
	char *name; /* as last seen; or NULL */
};

struct way {
	struct step *steps; /* from the object up */
	size_t count;
	size_t cap;
};

static void way_fini(struct way *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->steps[i].name);
	free(w->steps);
}

static int way_add(struct way *w, const struct place *place, const char *name)
{
	struct step s = { .place = *place };
	int err = array_reserve(&w->steps, &w->cap, w->count + 1);

	if (err)
		return err;
	if (name) {
		s.name = strdup(name);
		if (!s.name)
			return -ENOMEM;
	}
	w->steps[w->count++] = s;
	return 0;
}

/* Adds the directory of `ino`, by its inode if known, else by the places. */
static int climb_step(struct base *b, struct way *w, mapfs_ino ino,
		      struct inode *i)
{
	struct place place = { .ino = ino };
	char name[NAME_MAX + 1];
	struct inode *parent;

	if (i && inode_place(b->itable, i, &parent, name) == 0) {
		place.dir = parent->ino;
		(void)inode_put(b->itable, parent);
		return way_add(w, &place, name);
	}
	if (!places_get(b->places, ino, &place))
		return -EAGAIN;
	return way_add(w, &place, NULL);
}

/* From `ino` up to an inode that certainly shows: *top, with a hold. */
static int climb(struct base *b, const struct base_finder *f, mapfs_ino ino,
		 struct way *w, struct inode **top)
{
	int err = 0;

	while (!err) {
		struct inode *i = itable_get(b->itable, ino);

		if (i && (i == itable_root(b->itable) ||
			  (w->count > 0 && f->shows(f->arg, i)))) {
			*top = i;
			return 0;
		}
		err = w->count < DEPTH_MOST ? climb_step(b, w, ino, i) :
					      -EAGAIN;
		if (i)
			f->put(f->arg, i);
		if (!err)
			ino = w->steps[w->count - 1].place.dir;
	}
	return err;
}

/* The step's object in `dir`, with a hold. */
static int descend_step(struct base *b, const struct base_finder *f,
			struct inode *dir, const struct step *s,
			struct inode **out)
{
	char name[NAME_MAX + 1];
	struct inode *i;
	int err;

	if (s->name && f->look(f->arg, dir, s->name, &i) == 0) {
		if (i->ino == s->place.ino) {
			*out = i;
			return 0;
		}
		f->put(f->arg, i);
	}
	err = find_name(b, dir, &s->place, name);
	if (err)
		return err == -ENOENT ? -EAGAIN : err;
	/* The base has the name: if it does not show, the view hides it. */
	err = f->look(f->arg, dir, name, &i);
	if (err)
		return err == -ENOENT ? -ESTALE : err;
	if (i->ino != s->place.ino) {
		f->put(f->arg, i);
		return -ESTALE;
	}
	*out = i;
	return 0;
}

/* -EAGAIN: the places did not lead to it; -ESTALE: it does not show. */
static int follow_places(struct base *b, const struct base_finder *f,
			 mapfs_ino ino, struct inode **out)
{
	struct way w = { 0 };
	struct inode *i = NULL;
	int err = climb(b, f, ino, &w, &i);

	for (size_t n = w.count; !err && n-- > 0;) {
		struct inode *next = NULL;

		err = descend_step(b, f, i, &w.steps[n], &next);
		f->put(f->arg, i);
		i = next;
	}
	way_fini(&w);
	if (!err)
		*out = i;
	return err;
}

/* --- the walk -------------------------------------------------------- */

/* A directory that was listed, and the offset of the next subdirectory. */
struct frame {
	struct frame *above;
	struct inode *dir; /* with a hold */
	char *names;	   /* of subdirectories, each ended by NUL */
	size_t bytes;
	size_t cap;
	size_t at;
};

struct walk {
	struct base *b;
	const struct base_finder *f;
	struct frame *frame;
	uint64_t cookie;
	bool is_complete;
};

static int frame_add(struct frame *fr, const char *name)
{
	size_t len = strlen(name) + 1;
	int err = array_reserve(&fr->names, &fr->cap, fr->bytes + len);

	if (err)
		return err;
	memcpy(fr->names + fr->bytes, name, len);
	fr->bytes += len;
	return 0;
}

static int note_name(void *arg, const char *name, uint64_t ino, mode_t type,
		     uint64_t cookie)
{
	struct walk *w = arg;
	const struct place here = {
		.ino = ino,
		.dir = w->frame->dir->ino,
		.cookie = w->cookie,
	};

	w->cookie = cookie;
	if (path_is_dot(name))
		return 0;
	places_note(w->b->places, &here);
	return type == S_IFDIR ? frame_add(w->frame, name) : 0;
}

/* An object that vanished or must not be opened could not be shown anyway. */
static bool is_no_loss(int err)
{
	return err == -ENOENT || err == -ESTALE || err == -ENOTDIR ||
	       err == -EACCES || err == -EPERM || err == -EOVERFLOW;
}

/* Lists the directory and pushes it; takes the hold. */
static int walk_enter(struct walk *w, struct inode *dir)
{
	struct frame *fr = calloc(1, sizeof(*fr));
	int err;

	if (!fr) {
		w->f->put(w->f->arg, dir);
		return -ENOMEM;
	}
	fr->dir = dir;
	fr->above = w->frame;
	w->frame = fr;
	w->cookie = 0;
	if (dir->is_foreign)
		return 0;
	err = base_readdir(w->b, dir, 0, note_name, w);
	return err < 0 && !is_no_loss(err) ? err : 0;
}

static void walk_leave(struct walk *w)
{
	struct frame *fr = w->frame;

	w->frame = fr->above;
	w->f->put(w->f->arg, fr->dir);
	free(fr->names);
	free(fr);
}

static void walk(struct base *b, const struct base_finder *f)
{
	struct walk w = { .b = b, .f = f, .is_complete = true };
	struct inode *dir = itable_root(b->itable);
	int err;

	places_walk_begin(b->places);
	inode_hold(b->itable, dir);
	err = walk_enter(&w, dir);
	while (w.frame) {
		struct frame *fr = w.frame;
		const char *name = fr->names + fr->at;

		if (atomic_load(&b->is_ending)) {
			fr->at = fr->bytes;
			w.is_complete = false;
		}
		if (err && !is_no_loss(err))
			w.is_complete = false;
		if (fr->at == fr->bytes) {
			walk_leave(&w);
			err = 0;
			continue;
		}
		fr->at += strlen(name) + 1;
		err = f->enter(f->arg, fr->dir, name, &dir);
		if (!err && dir)
			err = walk_enter(&w, dir);
	}
	if (err)
		w.is_complete = false;
	places_walk_end(b->places, w.is_complete);
}

/* One walk at a time: a second caller waits for the end of the first one's. */
static void walk_or_wait(struct base *b, const struct base_finder *f)
{
	uint64_t walks;

	rmutex_lock(&b->walk_lock);
	walks = b->walks;
	if (b->is_walking) {
		/* Woken by the thread that walks. */
		while (b->walks == walks)
			rmutex_wait(&b->walk_lock, &b->walked);
		rmutex_unlock(&b->walk_lock);
		return;
	}
	b->is_walking = true;
	rmutex_unlock(&b->walk_lock);
	walk(b, f);
	rmutex_lock(&b->walk_lock);
	b->is_walking = false;
	b->walks++;
	pthread_cond_broadcast(&b->walked);
	rmutex_unlock(&b->walk_lock);
}

int base_find(struct base *b, const struct base_finder *f, mapfs_ino ino,
	      bool may_walk, struct inode **out)
{
	for (int n = 0; n < TRIES; n++) {
		bool is_whole = places_are_whole(b->places);
		struct place place;
		int err = follow_places(b, f, ino, out);

		if (err != -EAGAIN)
			return err;
		if (is_whole && !places_get(b->places, ino, &place))
			break;
		if (!may_walk)
			return -EAGAIN;
		walk_or_wait(b, f);
	}
	return -ESTALE;
}

void base_interrupt(struct base *b)
{
	atomic_store(&b->is_ending, true);
}

void base_gone(struct base *b, const struct inode *i)
{
	places_forget(b->places, i->ino);
}

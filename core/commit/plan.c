/* SPDX-License-Identifier: MIT */
/*
 * The tables of a plan.  A plan is at most as large as the delta and the tree
 * that it removes, so all of it is kept in memory.
 */
#include "plan.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/array.h"
#include "core/lib/timespec.h"

/* A path of more names than this leads in a circle. */
#define DEPTH_MAX (1U << 20)
/* Of objects, and of names: their numbers stay below PLAN_NONE. */
#define PLAN_MAX (PLAN_NONE / 2)

int plan_create(struct plan **out)
{
	struct plan *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*out = p;
	return 0;
}

static void state_fini(struct plan_state *s)
{
	for (size_t i = 0; i < s->xattr_count; i++) {
		free(s->xattrs[i].name);
		free(s->xattrs[i].value);
	}
	free(s->xattrs);
	free(s->runs);
}

static void object_destroy(struct plan_object *o)
{
	if (o->dirfd >= 0)
		close(o->dirfd);
	for (int side = 0; side < PLAN_SIDES; side++)
		state_fini(&o->side[side]);
	free(o->target);
	free(o->home_name);
	free(o);
}

void plan_destroy(struct plan *p)
{
	if (!p)
		return;
	HASH_CLEAR(hh, p->by_ino);
	HASH_CLEAR(hh, p->by_name);
	for (uint32_t i = 0; i < p->object_count; i++)
		object_destroy(p->objects[i]);
	for (uint32_t i = 0; i < p->name_count; i++)
		free(p->names[i]);
	free(p->objects);
	free(p->names);
	free(p);
}

int plan_add_object(struct plan *p, mapfs_ino ino, struct plan_object **out)
{
	struct plan_object *o;
	int err;

	if (p->object_count >= PLAN_MAX)
		return -EFBIG;
	err = array_reserve_bytes(&p->objects, sizeof(struct plan_object *),
				  &p->object_cap, (size_t)p->object_count + 1);
	if (err)
		return err;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->id = p->object_count;
	o->ino = ino;
	o->was_ino = ino;
	o->home_dir = PLAN_NONE;
	o->first_name[PLAN_BEFORE] = PLAN_NONE;
	o->first_name[PLAN_AFTER] = PLAN_NONE;
	o->dirfd = -1;
	if (ino) {
		HASH_ADD(hh, p->by_ino, was_ino, sizeof(o->was_ino), o);
		if (!o->hh.tbl) {
			free(o);
			return -ENOMEM;
		}
	}
	p->objects[p->object_count++] = o;
	*out = o;
	return 0;
}

struct plan_object *plan_find_object(struct plan *p, mapfs_ino ino)
{
	struct plan_object *o = NULL;

	HASH_FIND(hh, p->by_ino, &ino, sizeof(ino), o);
	return o;
}

int plan_set_home(struct plan_object *o, uint32_t dir, const char *name)
{
	if (o->home_name || o->id == PLAN_ROOT)
		return 0;
	o->home_name = strdup(name);
	if (!o->home_name)
		return -ENOMEM;
	o->home_dir = dir;
	return 0;
}

struct plan_name *plan_find_name(struct plan *p, uint32_t dir, const char *name)
{
	struct {
		uint32_t dir;
		char name[NAME_MAX + 1];
	} key = { .dir = dir };
	size_t len = strnlen(name, NAME_MAX + 1);
	struct plan_name *n = NULL;

	if (len > NAME_MAX)
		return NULL;
	memcpy(key.name, name, len);
	HASH_FIND(hh, p->by_name, &key, sizeof(key.dir) + len, n);
	return n;
}

int plan_get_name(struct plan *p, uint32_t dir, const char *name,
		  struct plan_name **out)
{
	size_t len = strlen(name);
	struct plan_name *n = plan_find_name(p, dir, name);
	int err;

	if (n) {
		*out = n;
		return 0;
	}
	if (len == 0 || len > NAME_MAX)
		return -EUCLEAN;
	if (p->name_count >= PLAN_MAX)
		return -EFBIG;
	err = array_reserve_bytes(&p->names, sizeof(struct plan_name *),
				  &p->name_cap, (size_t)p->name_count + 1);
	if (err)
		return err;
	n = calloc(1, sizeof(*n) + len + 1);
	if (!n)
		return -ENOMEM;
	n->id = p->name_count;
	n->object[PLAN_BEFORE] = PLAN_NONE;
	n->object[PLAN_AFTER] = PLAN_NONE;
	n->dir = dir;
	n->name_bytes = (uint16_t)len;
	memcpy(n->name, name, len);
	HASH_ADD(hh, p->by_name, dir,
		 offsetof(struct plan_name, name) -
			 offsetof(struct plan_name, dir) + len,
		 n);
	if (!n->hh.tbl) {
		free(n);
		return -ENOMEM;
	}
	p->names[p->name_count++] = n;
	*out = n;
	return 0;
}

int plan_add_run(struct plan_state *s, const struct plan_run *run)
{
	int err;

	if (run->len_bytes == 0)
		return 0;
	err = array_reserve(&s->runs, &s->run_cap, s->run_count + 1);
	if (err)
		return err;
	s->runs[s->run_count++] = *run;
	return 0;
}

int plan_add_xattr(struct plan_state *s, const char *name, const void *value,
		   size_t value_bytes)
{
	struct plan_xattr *x;
	int err = array_reserve(&s->xattrs, &s->xattr_cap, s->xattr_count + 1);

	if (err)
		return err;
	x = &s->xattrs[s->xattr_count];
	x->name = strdup(name);
	x->value = malloc(value_bytes + 1);
	x->value_bytes = value_bytes;
	if (!x->name || !x->value) {
		free(x->name);
		free(x->value);
		return -ENOMEM;
	}
	memcpy(x->value, value, value_bytes);
	s->xattr_count++;
	return 0;
}

/* The directory that an object is in on a side; PLAN_NONE: in none. */
static uint32_t dir_of(const struct plan *p, const struct plan_object *o,
		       enum plan_side side, const char **name)
{
	const struct plan_name *home;
	uint32_t first = o->first_name[side];

	if (!o->side[side].exists || o->id == PLAN_ROOT)
		return PLAN_NONE;
	if (first != PLAN_NONE) {
		*name = p->names[first]->name;
		return p->names[first]->dir;
	}
	if (o->home_dir == PLAN_NONE)
		return PLAN_NONE;
	home = plan_find_name((struct plan *)p, o->home_dir, o->home_name);
	if (home && home->object[side] != o->id)
		return PLAN_NONE;
	*name = o->home_name;
	return o->home_dir;
}

/* The number of directories above it; a circle is damage [S1]. */
static int find_depth(const struct plan *p, const struct plan_object *o,
		      enum plan_side side, uint32_t *depth)
{
	uint32_t n = 0;

	while (o->id != PLAN_ROOT) {
		const char *name;
		uint32_t dir = dir_of(p, o, side, &name);

		if (dir == PLAN_NONE)
			break;
		if (++n > DEPTH_MAX)
			return -EUCLEAN;
		o = p->objects[dir];
	}
	*depth = n;
	return 0;
}

static void chain_names(struct plan *p)
{
	for (uint32_t i = 0; i < p->object_count; i++) {
		for (int side = 0; side < PLAN_SIDES; side++) {
			p->objects[i]->first_name[side] = PLAN_NONE;
			p->objects[i]->name_count[side] = 0;
		}
	}
	for (uint32_t i = 0; i < p->name_count; i++) {
		struct plan_name *n = p->names[i];

		for (int side = 0; side < PLAN_SIDES; side++) {
			struct plan_object *o;

			if (n->object[side] == PLAN_NONE)
				continue;
			o = p->objects[n->object[side]];
			n->next[side] = o->first_name[side];
			o->first_name[side] = i;
			if (plan_name_changes(n))
				o->name_count[side]++;
		}
	}
}

int plan_index(struct plan *p)
{
	int err = 0;

	chain_names(p);
	for (uint32_t i = 0; !err && i < p->object_count; i++)
		for (int side = 0; !err && side < PLAN_SIDES; side++)
			err = find_depth(p, p->objects[i], (enum plan_side)side,
					 &p->objects[i]->depth[side]);
	return err;
}

/* A path that is written from its end; it begins at buf[at]. */
struct path_builder {
	char *buf;
	size_t at;
	size_t cap;
};

/* Puts a name before the path, and a '/' between them. */
static int prepend(struct path_builder *b, const char *name)
{
	size_t len = strlen(name);

	if (b->at < len + 1) {
		size_t used = b->cap - b->at;
		size_t more = b->cap * 2 + len + 1;
		char *q = malloc(more);

		if (!q)
			return -ENOMEM;
		memcpy(q + more - used, b->buf + b->at, used);
		free(b->buf);
		b->buf = q;
		b->at = more - used;
		b->cap = more;
	}
	if (b->buf[b->at] != '\0')
		b->buf[--b->at] = '/';
	b->at -= len;
	memcpy(b->buf + b->at, name, len);
	return 0;
}

static int prepend_dirs(struct path_builder *b, const struct plan *p,
			const struct plan_object *o, enum plan_side side)
{
	int err = 0;

	while (!err && o->id != PLAN_ROOT) {
		const char *name;
		uint32_t dir = dir_of(p, o, side, &name);

		if (dir == PLAN_NONE)
			return -ENOENT;
		err = prepend(b, name);
		o = p->objects[dir];
	}
	return err;
}

static int path_with(const struct plan *p, uint32_t id, enum plan_side side,
		     const char *last, char **out)
{
	size_t len = strlen(last);
	struct path_builder b = { .at = 255, .cap = len + 256 };
	int err;

	b.buf = malloc(b.cap);
	if (!b.buf)
		return -ENOMEM;
	memcpy(b.buf + b.at, last, len + 1);
	err = prepend_dirs(&b, p, p->objects[id], side);
	if (err) {
		free(b.buf);
		return err;
	}
	memmove(b.buf, b.buf + b.at, b.cap - b.at);
	*out = b.buf;
	return 0;
}

int plan_path(const struct plan *p, uint32_t id, enum plan_side side,
	      char **out)
{
	return path_with(p, id, side, "", out);
}

int plan_name_path(const struct plan *p, const struct plan_name *n,
		   enum plan_side side, char **out)
{
	return path_with(p, n->dir, side, n->name, out);
}

uint32_t plan_type(const struct plan_object *o)
{
	const struct plan_state *s = &o->side[PLAN_BEFORE];

	if (!s->exists)
		s = &o->side[PLAN_AFTER];
	return s->mode & S_IFMT;
}

bool plan_object_is(const struct plan_object *o, const struct stat *st)
{
	return o->ino != 0 && st->st_ino == o->ino &&
	       (st->st_mode & S_IFMT) == plan_type(o);
}

bool plan_object_is_as(const struct plan_object *o, enum plan_side side,
		       uint64_t size_bytes, struct timespec mtime)
{
	const struct plan_state *s = &o->side[side];

	return (!S_ISREG(plan_type(o)) || size_bytes == s->size_bytes) &&
	       timespec_is_equal(mtime, s->mtime);
}

/* SPDX-License-Identifier: MIT */
/*
 * The format is in core/FORMAT.md.  A plan that is read is checked before any
 * use [S1]: each number of an object is valid, each side has what its type
 * needs, no name leads out of its directory, and no path to the root leads in
 * a circle.
 */
#include "plan_encode.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OBJECT_TOUCHED 1U
#define OBJECT_HAS_DATA 2U
#define OBJECT_HAS_XATTRS 4U
#define OBJECT_CHANGED 8U
#define OBJECT_REMAINS 16U
#define OBJECT_AS_LEFT 32U
#define PLAN_PARTIAL 1U
#define PLAN_HAS_SUMS 2U
#define NANOSECONDS 1000000000U

static void put_time(struct bytes *b, struct timespec t)
{
	bytes_put64(b, (uint64_t)t.tv_sec);
	bytes_put32(b, (uint32_t)t.tv_nsec);
}

static void put_text(struct bytes *b, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	bytes_put32(b, (uint32_t)len);
	bytes_put(b, text, len);
}

static void put_state(struct bytes *b, const struct plan_state *s)
{
	bytes_put32(b, s->exists);
	bytes_put32(b, s->mode);
	bytes_put32(b, s->uid);
	bytes_put32(b, s->gid);
	put_time(b, s->atime);
	put_time(b, s->mtime);
	bytes_put64(b, s->size_bytes);
	bytes_put64(b, s->run_count);
	for (size_t i = 0; i < s->run_count; i++) {
		bytes_put64(b, s->runs[i].off_bytes);
		bytes_put64(b, s->runs[i].len_bytes);
		bytes_put64(b, s->runs[i].from_bytes);
		bytes_put32(b, s->runs[i].source);
	}
	bytes_put64(b, s->xattr_count);
	for (size_t i = 0; i < s->xattr_count; i++) {
		put_text(b, s->xattrs[i].name);
		bytes_put32(b, (uint32_t)s->xattrs[i].value_bytes);
		bytes_put(b, s->xattrs[i].value, s->xattrs[i].value_bytes);
	}
}

static uint32_t object_flags(const struct plan_object *o)
{
	return (o->is_touched ? OBJECT_TOUCHED : 0) |
	       (o->has_data ? OBJECT_HAS_DATA : 0) |
	       (o->has_xattrs ? OBJECT_HAS_XATTRS : 0) |
	       (o->has_drifted ? OBJECT_CHANGED : 0) |
	       (o->remains ? OBJECT_REMAINS : 0) |
	       (o->is_as_left ? OBJECT_AS_LEFT : 0);
}

int plan_encode(const struct plan *p, struct bytes *out)
{
	bytes_put64(out, p->saved_bytes);
	bytes_put32(out, (p->is_partial ? PLAN_PARTIAL : 0) |
				 (p->has_sums ? PLAN_HAS_SUMS : 0));
	bytes_put32(out, p->object_count);
	bytes_put32(out, p->name_count);
	for (uint32_t i = 0; i < p->object_count; i++) {
		const struct plan_object *o = p->objects[i];

		bytes_put64(out, o->was_ino);
		bytes_put64(out, o->rdev);
		bytes_put64(out, o->keep_bytes);
		bytes_put32(out, object_flags(o));
		bytes_put32(out, o->home_dir);
		put_text(out, o->home_name);
		put_text(out, o->target);
		put_state(out, &o->side[PLAN_BEFORE]);
		put_state(out, &o->side[PLAN_AFTER]);
	}
	for (uint32_t i = 0; i < p->name_count; i++) {
		const struct plan_name *n = p->names[i];

		bytes_put32(out, n->dir);
		bytes_put32(out, n->object[PLAN_BEFORE]);
		bytes_put32(out, n->object[PLAN_AFTER]);
		bytes_put32(out, n->remains);
		put_text(out, n->name);
	}
	return out->failed ? -ENOMEM : 0;
}

static struct timespec get_time(struct bytes_reader *r)
{
	struct timespec t = { .tv_sec = (time_t)bytes_get64(r) };

	t.tv_nsec = bytes_get32(r);
	if (t.tv_nsec >= NANOSECONDS)
		r->bad = true;
	return t;
}

/* Allocated; NULL: the text is empty, or r->bad was set. */
static char *get_text(struct bytes_reader *r, size_t most)
{
	uint32_t len = bytes_get32(r);
	const uint8_t *p = len <= most ? bytes_get(r, len) : NULL;
	char *text;

	if (len > most || !p || memchr(p, '\0', len)) {
		r->bad = true;
		return NULL;
	}
	if (len == 0)
		return NULL;
	text = strndup((const char *)p, len);
	if (!text)
		r->bad = true;
	return text;
}

static int get_runs(struct bytes_reader *r, struct plan_state *s)
{
	uint64_t count = bytes_get64(r);
	int err = 0;

	while (!err && !r->bad && count-- > 0) {
		struct plan_run run = { .off_bytes = bytes_get64(r) };

		run.len_bytes = bytes_get64(r);
		run.from_bytes = bytes_get64(r);
		run.source = (enum plan_source)bytes_get32(r);
		if (run.source >= PLAN_SOURCES || run.len_bytes == 0 ||
		    run.off_bytes > s->size_bytes ||
		    run.len_bytes > s->size_bytes - run.off_bytes ||
		    run.from_bytes > UINT64_MAX - run.len_bytes)
			r->bad = true;
		else
			err = plan_add_run(s, &run);
	}
	return err;
}

static int get_xattrs(struct bytes_reader *r, struct plan_state *s)
{
	uint64_t count = bytes_get64(r);
	int err = 0;

	while (!err && !r->bad && count-- > 0) {
		char *name = get_text(r, NAME_MAX);
		uint32_t len = bytes_get32(r);
		const uint8_t *value = bytes_get(r, len);

		if (!name || !value)
			r->bad = true;
		else
			err = plan_add_xattr(s, name, value, len);
		free(name);
	}
	return err;
}

static int get_state(struct bytes_reader *r, struct plan_state *s)
{
	int err;

	s->exists = bytes_get32(r) != 0;
	s->mode = bytes_get32(r);
	s->uid = bytes_get32(r);
	s->gid = bytes_get32(r);
	s->atime = get_time(r);
	s->mtime = get_time(r);
	s->size_bytes = bytes_get64(r);
	if (s->size_bytes > MAPFS_MAX_SIZE)
		r->bad = true;
	err = get_runs(r, s);
	return err ? err : get_xattrs(r, s);
}

/* Do the two sides make sense together? */
static bool object_is_sound(const struct plan_object *o)
{
	const struct plan_state *a = &o->side[PLAN_BEFORE];
	const struct plan_state *b = &o->side[PLAN_AFTER];
	uint32_t type = (a->exists ? a->mode : b->mode) & S_IFMT;

	/* It was new, and the conflict was resolved for the base. */
	if (!a->exists && !b->exists)
		return true;
	if (a->exists && b->exists && (a->mode & S_IFMT) != (b->mode & S_IFMT))
		return false;
	if (o->has_data && !S_ISREG(type))
		return false;
	if (S_ISLNK(type) && !o->target)
		return false;
	return (o->home_dir == PLAN_NONE) == (o->home_name == NULL) &&
	       (!a->exists || o->was_ino != 0);
}

static int get_object(struct bytes_reader *r, struct plan *p)
{
	uint64_t ino = bytes_get64(r);
	struct plan_object *o;
	uint32_t flags;
	int err;

	if (ino && plan_find_object(p, ino))
		return -EUCLEAN;
	err = plan_add_object(p, ino, &o);
	if (err)
		return err;
	o->rdev = bytes_get64(r);
	o->keep_bytes = bytes_get64(r);
	flags = bytes_get32(r);
	o->is_touched = flags & OBJECT_TOUCHED;
	o->has_data = flags & OBJECT_HAS_DATA;
	o->has_xattrs = flags & OBJECT_HAS_XATTRS;
	o->has_drifted = flags & OBJECT_CHANGED;
	o->remains = flags & OBJECT_REMAINS;
	o->is_as_left = flags & OBJECT_AS_LEFT;
	o->home_dir = bytes_get32(r);
	o->home_name = get_text(r, NAME_MAX);
	o->target = get_text(r, PATH_MAX);
	err = get_state(r, &o->side[PLAN_BEFORE]);
	if (!err)
		err = get_state(r, &o->side[PLAN_AFTER]);
	if (err)
		return err;
	/* A new object has no number in the base yet. */
	if (!o->side[PLAN_BEFORE].exists)
		o->ino = 0;
	return r->bad || !object_is_sound(o) ? -EUCLEAN : 0;
}

static bool is_object(const struct plan *p, uint32_t id)
{
	return id == PLAN_NONE || id < p->object_count;
}

static bool is_dir(const struct plan *p, uint32_t id)
{
	const struct plan_object *o;

	if (id >= p->object_count)
		return false;
	o = p->objects[id];
	return S_ISDIR(o->side[o->side[0].exists ? 0 : 1].mode);
}

/* A single name, which cannot lead out of its directory. */
static bool name_is_sound(const char *name)
{
	return name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static int get_name(struct bytes_reader *r, struct plan *p)
{
	uint32_t dir = bytes_get32(r);
	uint32_t before = bytes_get32(r);
	uint32_t after = bytes_get32(r);
	bool remains = bytes_get32(r) != 0;
	char *name = get_text(r, NAME_MAX);
	struct plan_name *n = NULL;
	int err = -EUCLEAN;

	if (!r->bad && name_is_sound(name) && is_dir(p, dir) &&
	    is_object(p, before) && is_object(p, after) &&
	    before != PLAN_ROOT && after != PLAN_ROOT &&
	    !plan_find_name(p, dir, name))
		err = plan_get_name(p, dir, name, &n);
	free(name);
	if (err)
		return err;
	n->object[PLAN_BEFORE] = before;
	n->object[PLAN_AFTER] = after;
	n->remains = remains;
	return 0;
}

static bool homes_are_sound(const struct plan *p)
{
	for (uint32_t i = 0; i < p->object_count; i++) {
		const struct plan_object *o = p->objects[i];

		if (o->home_name &&
		    (!is_dir(p, o->home_dir) || !name_is_sound(o->home_name)))
			return false;
	}
	return is_dir(p, PLAN_ROOT);
}

static int decode(struct plan *p, struct bytes_reader *r)
{
	uint32_t objects;
	uint32_t names;
	uint32_t flags;
	int err = 0;

	p->saved_bytes = bytes_get64(r);
	flags = bytes_get32(r);
	p->is_partial = flags & PLAN_PARTIAL;
	p->has_sums = flags & PLAN_HAS_SUMS;
	objects = bytes_get32(r);
	names = bytes_get32(r);
	for (uint32_t i = 0; !err && i < objects; i++)
		err = get_object(r, p);
	for (uint32_t i = 0; !err && i < names; i++)
		err = get_name(r, p);
	if (err)
		return err;
	if (r->bad || r->left_bytes != 0 || !homes_are_sound(p))
		return -EUCLEAN;
	return plan_index(p);
}

int plan_decode(struct plan **out, const uint8_t *buf, size_t len)
{
	struct bytes_reader r = { .at = buf, .left_bytes = len };
	struct plan *p;
	int err = plan_create(&p);

	if (err)
		return err;
	err = decode(p, &r);
	if (err) {
		plan_destroy(p);
		return err;
	}
	*out = p;
	return 0;
}

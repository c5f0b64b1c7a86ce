/* SPDX-License-Identifier: MIT */
/*
 * For each kind of value one function puts it and one takes it.  The function
 * that takes a record follows the one that puts it.
 */
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/array.h"

#define RESULT_MAX_BYTES (1U << 30)
#define NUMBER_BYTES 8

/* Appends `len` bytes, for the caller to fill; or NULL, with `err` set. */
static char *wire_room(struct wire_out *o, size_t len)
{
	if (!o->err &&
	    (len > RESULT_MAX_BYTES || o->len > RESULT_MAX_BYTES - len))
		o->err = -EFBIG;
	if (!o->err)
		o->err = array_reserve(&o->mem, &o->room, o->len + len);
	if (o->err)
		return NULL;
	o->len += len;
	return o->mem + o->len - len;
}

void wire_put(struct wire_out *o, uint64_t value)
{
	unsigned char *to = (unsigned char *)wire_room(o, NUMBER_BYTES);

	for (unsigned int i = 0; to && i < NUMBER_BYTES; i++)
		to[i] = (unsigned char)(value >> (8 * i));
}

void wire_put_string(struct wire_out *o, const char *s)
{
	size_t len = strlen(s);
	char *to;

	wire_put(o, len);
	to = wire_room(o, len + 1);
	if (to)
		memcpy(to, s, len + 1);
}

void wire_out_fini(struct wire_out *o)
{
	free(o->mem);
	*o = (struct wire_out){ 0 };
}

bool wire_is_over(const struct wire_in *in)
{
	return in->left == 0 || in->is_bad;
}

static const char *wire_pass(struct wire_in *in, size_t len)
{
	const char *at = in->at;

	if (in->is_bad || len > in->left) {
		in->is_bad = true;
		return NULL;
	}
	in->at += len;
	in->left -= len;
	return at;
}

uint64_t wire_take(struct wire_in *in)
{
	const unsigned char *from =
		(const unsigned char *)wire_pass(in, NUMBER_BYTES);
	uint64_t value = 0;

	for (unsigned int i = 0; from && i < NUMBER_BYTES; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

const char *wire_take_string(struct wire_in *in)
{
	uint64_t len = wire_take(in);
	const char *s = NULL;

	if (len < in->left)
		s = wire_pass(in, (size_t)len + 1);
	if (s && s[len] == '\0' && strlen(s) == len)
		return s;
	in->is_bad = true;
	return "";
}

static void put_time(struct wire_out *o, struct timespec t)
{
	wire_put(o, (uint64_t)t.tv_sec);
	wire_put(o, (uint64_t)t.tv_nsec);
}

static struct timespec take_time(struct wire_in *in)
{
	struct timespec t;

	t.tv_sec = (time_t)wire_take(in);
	t.tv_nsec = (long)wire_take(in);
	return t;
}

void wire_put_snapshot(struct wire_out *o, const struct mapfs_snapshot *s)
{
	wire_put(o, s->id);
	wire_put_string(o, s->name);
	wire_put_string(o, s->message);
	put_time(o, s->time);
	wire_put(o, s->private_pages);
	wire_put(o, s->is_reachable);
}

void wire_take_snapshot(struct wire_in *in, struct mapfs_snapshot *out)
{
	out->id = wire_take(in);
	out->name = wire_take_string(in);
	out->message = wire_take_string(in);
	out->time = take_time(in);
	out->private_pages = wire_take(in);
	out->is_reachable = wire_take(in) != 0;
}

void wire_put_counts(struct wire_out *o, const struct mapfs_counts *c)
{
	wire_put(o, c->inodes);
	wire_put(o, c->base_files);
	wire_put(o, c->names_added);
	wire_put(o, c->names_replaced);
	wire_put(o, c->names_moved);
	wire_put(o, c->names_hidden);
}

void wire_take_counts(struct wire_in *in, struct mapfs_counts *out)
{
	out->inodes = wire_take(in);
	out->base_files = wire_take(in);
	out->names_added = wire_take(in);
	out->names_replaced = wire_take(in);
	out->names_moved = wire_take(in);
	out->names_hidden = wire_take(in);
}

void wire_put_drift(struct wire_out *o, const char *path, bool is_gone)
{
	wire_put_string(o, path);
	wire_put(o, is_gone);
}

void wire_take_drift(struct wire_in *in, const char **path, bool *is_gone)
{
	*path = wire_take_string(in);
	*is_gone = wire_take(in) != 0;
}

void wire_put_damage(struct wire_out *o, const struct mapfs_bad_page *d)
{
	wire_put_string(o, d->path);
	wire_put(o, d->ino);
	wire_put(o, d->off_bytes);
	wire_put_string(o, d->store ? d->store : "");
	wire_put(o, d->store_page);
}

void wire_take_damage(struct wire_in *in, struct mapfs_bad_page *out)
{
	out->path = wire_take_string(in);
	out->ino = wire_take(in);
	out->off_bytes = wire_take(in);
	out->store = wire_take_string(in);
	out->store_page = wire_take(in);
}

void wire_put_window(struct wire_out *o, const struct mapfs_window *w)
{
	wire_put_string(o, w->name);
	wire_put_string(o, w->path);
	wire_put(o, w->off_bytes);
	wire_put(o, w->len_bytes);
}

void wire_take_window(struct wire_in *in, struct mapfs_window *out)
{
	out->name = wire_take_string(in);
	out->path = wire_take_string(in);
	out->off_bytes = wire_take(in);
	out->len_bytes = wire_take(in);
}

void wire_put_run(struct wire_out *o, const struct mapfs_run *run)
{
	wire_put(o, run->off_bytes);
	wire_put(o, run->len_bytes);
	wire_put(o, run->source);
}

void wire_take_run(struct wire_in *in, struct mapfs_run *out)
{
	uint64_t source;

	out->off_bytes = wire_take(in);
	out->len_bytes = wire_take(in);
	source = wire_take(in);
	in->is_bad |= source >= MAPFS_SOURCES;
	out->source = in->is_bad ? MAPFS_SOURCE_HOLE :
				   (enum mapfs_source)source;
}

/*
 * Fields that were added later are in the upper half of 32-bit numbers, which
 * older tools ignore.
 */
#define SIDE_CAPABILITY (1ULL << 32)
#define SIDE_MAJOR_SHIFT 52
#define SIDE_MINOR_SHIFT 32
#define SIDE_MAJOR_MASK 0xfffULL
#define SIDE_MINOR_MASK 0xfffffULL

static uint64_t rdev_bits(uint64_t rdev)
{
	return (rdev >> 32 & SIDE_MAJOR_MASK) << SIDE_MAJOR_SHIFT |
	       (rdev & SIDE_MINOR_MASK) << SIDE_MINOR_SHIFT;
}

static void put_side(struct wire_out *o, const struct mapfs_diff_side *s)
{
	wire_put(o, s->ino);
	wire_put(o, s->mode | (s->has_capability ? SIDE_CAPABILITY : 0));
	wire_put(o, s->uid);
	wire_put(o, s->gid);
	wire_put(o, s->nlink | rdev_bits(s->rdev));
	wire_put(o, s->size_bytes);
	put_time(o, s->mtime);
}

static void take_side(struct wire_in *in, struct mapfs_diff_side *out)
{
	uint64_t bits;

	out->ino = wire_take(in);
	bits = wire_take(in);
	out->mode = (mode_t)bits;
	out->has_capability = bits & SIDE_CAPABILITY;
	out->uid = (uid_t)wire_take(in);
	out->gid = (gid_t)wire_take(in);
	bits = wire_take(in);
	out->nlink = (uint32_t)bits;
	out->rdev = (bits >> SIDE_MAJOR_SHIFT & SIDE_MAJOR_MASK) << 32 |
		    (bits >> SIDE_MINOR_SHIFT & SIDE_MINOR_MASK);
	out->size_bytes = wire_take(in);
	out->mtime = take_time(in);
}

void wire_put_entry(struct wire_out *o, const struct mapfs_diff_entry *e)
{
	wire_put(o, e->change);
	wire_put(o, e->what);
	wire_put_string(o, e->path);
	wire_put_string(o, e->old_path);
	put_side(o, &e->old_side);
	put_side(o, &e->new_side);
	wire_put(o, e->pages);
	wire_put(o, e->bytes);
	wire_put(o, e->range_count);
	for (size_t i = 0; i < e->range_count; i++) {
		wire_put(o, e->ranges[i].off_bytes);
		wire_put(o, e->ranges[i].len_bytes);
	}
}

static void take_ranges(struct wire_in *in, struct mapfs_diff_entry *out,
			struct mapfs_range **ranges)
{
	uint64_t count = wire_take(in);
	struct mapfs_range *list;

	if (count > in->left / (NUMBER_BYTES + NUMBER_BYTES)) {
		in->is_bad = true;
		return;
	}
	if (count == 0)
		return;
	list = realloc(*ranges, (size_t)count * sizeof(*list));
	if (!list) {
		in->is_bad = true;
		return;
	}
	*ranges = list;
	for (size_t i = 0; i < count; i++) {
		list[i].off_bytes = wire_take(in);
		list[i].len_bytes = wire_take(in);
	}
	out->ranges = list;
	out->range_count = (size_t)count;
}

void wire_take_entry(struct wire_in *in, struct mapfs_diff_entry *out,
		     struct mapfs_range **ranges)
{
	*out = (struct mapfs_diff_entry){ 0 };
	out->change = (enum mapfs_change)wire_take(in);
	out->what = (unsigned int)wire_take(in);
	out->path = wire_take_string(in);
	out->old_path = wire_take_string(in);
	take_side(in, &out->old_side);
	take_side(in, &out->new_side);
	out->pages = wire_take(in);
	out->bytes = wire_take(in);
	take_ranges(in, out, ranges);
}

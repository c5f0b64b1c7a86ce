/* SPDX-License-Identifier: MIT */
/*
 * The kernel was promised that names, attributes and pages of a copy view only
 * change through it.  A change that breaks the promise collects here what the
 * kernel may have cached, and tells it afterwards.
 */
#include "invalidate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attr.h"
#include "core/lib/array.h"

struct invalid_name {
	mapfs_ino dir;
	char *name;
};

struct invalid_inode {
	mapfs_ino ino;
	uint16_t type;
	uint64_t was_bytes;
};

struct invalidation {
	struct overlay *o; /* borrowed */
	struct invalid_name *names;
	size_t name_count;
	size_t name_cap;
	struct invalid_inode *inodes;
	size_t inode_count;
	size_t inode_cap;
};

int invalidation_create(struct invalidation **out, struct overlay *o)
{
	struct invalidation *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->o = o;
	*out = s;
	return 0;
}

void invalidation_destroy(struct invalidation *s)
{
	if (!s)
		return;
	for (size_t n = 0; n < s->name_count; n++)
		free(s->names[n].name);
	free(s->names);
	free(s->inodes);
	free(s);
}

int invalidation_note_name(struct invalidation *s, mapfs_ino dir,
			   const char *name)
{
	int err = array_reserve(&s->names, &s->name_cap, s->name_count + 1);

	if (err)
		return err;
	s->names[s->name_count] =
		(struct invalid_name){ .dir = dir, .name = strdup(name) };
	if (!s->names[s->name_count].name)
		return -ENOMEM;
	s->name_count++;
	return 0;
}

int invalidation_note_inode(struct invalidation *s, mapfs_ino ino,
			    uint16_t type)
{
	struct inode *i = itable_get(s->o->itable, ino);
	struct invalid_inode one = { .ino = ino, .type = type };
	struct mapfs_attr attr;
	int err;

	/* The kernel knows no inode that is not in the table. */
	if (!i)
		return 0;
	if (S_ISREG(type) && overlay_fill_attr(s->o, i, &attr) == 0)
		one.was_bytes = attr.size_bytes;
	(void)inode_put(s->o->itable, i);
	err = array_reserve(&s->inodes, &s->inode_cap, s->inode_count + 1);
	if (!err)
		s->inodes[s->inode_count++] = one;
	return err;
}

static int collect_name(void *arg, const struct dentry *d)
{
	return invalidation_note_name(arg, d->dir, d->name);
}

int invalidation_note_set(struct invalidation *s, struct delta_set *set)
{
	mapfs_ino *inos = NULL;
	size_t count = 0;
	int err = itable_list_kept(set->itable, &inos, &count);

	for (size_t n = 0; !err && n < count; n++) {
		struct inode *i = itable_get(set->itable, inos[n]);

		err = invalidation_note_inode(s, i->ino, i->type);
		(void)inode_put(set->itable, i);
	}
	free(inos);
	return err ? err : namespace_iterate(&set->names, collect_name, s);
}

void invalidation_mark(struct invalidation *s)
{
	for (size_t n = 0; n < s->inode_count; n++) {
		struct inode *i = itable_get(s->o->itable, s->inodes[n].ino);

		if (!i)
			continue;
		i->is_stale = true;
		(void)inode_put(s->o->itable, i);
	}
}

void overlay_invalidated(struct mapfs_view *v, mapfs_ino ino)
{
	struct overlay *o = overlay_of(v);
	struct inode *i = itable_get(o->itable, ino);

	if (!i)
		return;
	i->is_stale = false;
	overlay_put(o, i);
}

static void tell_name(struct invalidation *s, const struct invalid_name *name,
		      mapfs_invalidation_fn fn, void *arg)
{
	struct inode *dir = itable_get(s->o->itable, name->dir);

	if (!dir)
		return;
	if (inode_is_known(s->o->itable, dir))
		fn(arg, &(struct mapfs_invalidation){
				.dir = name->dir,
				.name = name->name,
			});
	overlay_put(s->o, dir);
}

static void tell_inode(struct invalidation *s, const struct invalid_inode *one,
		       mapfs_invalidation_fn fn, void *arg)
{
	struct inode *i = itable_get(s->o->itable, one->ino);
	struct mapfs_invalidation out = {
		.ino = one->ino,
		.type = one->type,
		.was_bytes = one->was_bytes,
	};
	struct mapfs_attr attr;

	if (!i)
		return;
	if (!inode_is_known(s->o->itable, i)) {
		i->is_stale = false;
		overlay_put(s->o, i);
		return;
	}
	if (overlay_fill_attr(s->o, i, &attr) == 0)
		out.size_bytes = attr.size_bytes;
	else
		out.is_gone = true;
	out.generation = i->generation;
	fn(arg, &out);
	overlay_put(s->o, i);
}

static int by_ino(const void *a, const void *b)
{
	const struct invalid_inode *x = a;
	const struct invalid_inode *y = b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

void invalidation_tell(struct invalidation *s, mapfs_invalidation_fn fn,
		       void *arg)
{
	for (size_t n = 0; n < s->name_count; n++)
		tell_name(s, &s->names[n], fn, arg);
	if (s->inode_count > 1)
		qsort(s->inodes, s->inode_count, sizeof(*s->inodes), by_ino);
	for (size_t n = 0; n < s->inode_count; n++)
		if (n == 0 || s->inodes[n].ino != s->inodes[n - 1].ino)
			tell_inode(s, &s->inodes[n], fn, arg);
}

/* SPDX-License-Identifier: MIT */
#include "viewdir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/array.h"
#include "core/lib/path.h"

struct reading {
	struct viewdir *out;
	int err;
};

static int name_add(void *arg, const struct mapfs_dirent *e)
{
	struct reading *r = arg;
	struct viewdir *d = r->out;
	struct viewdir_name *name;

	if (path_is_dot(e->name))
		return 0;
	r->err = array_reserve(&d->names, &d->cap, d->count + 1);
	if (r->err)
		return 1;
	name = &d->names[d->count];
	name->name = strdup(e->name);
	if (!name->name) {
		r->err = -ENOMEM;
		return 1;
	}
	name->type = e->type;
	d->count++;
	return 0;
}

int viewdir_read(struct viewdir *out, struct mapfs_view *view, mapfs_ino dir)
{
	struct reading r = { .out = out };
	const struct mapfs_readdir readdir = { .fn = name_add, .arg = &r };
	int err;

	*out = (struct viewdir){ 0 };
	err = mapfs_readdir(view, dir, &readdir);
	if (!err)
		err = r.err;
	if (err)
		viewdir_fini(out);
	return err;
}

void viewdir_fini(struct viewdir *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->names[i].name);
	free(d->names);
	*d = (struct viewdir){ 0 };
}

/* SPDX-License-Identifier: MIT */
/*
 * A file that has lost one name and got another is renamed.  The names that
 * only one side has are sorted by object, and those of one object are paired
 * in the order of their paths.
 */
#include "renames.h"

#include <stdlib.h>
#include <string.h>

#include "core/lib/array.h"
#include "name.h"

/* A name that has a file on one side only. */
struct unmatched {
	struct diff_name *name;
	mapfs_ino id;
	char *path;
};

struct unmatched_list {
	struct unmatched *list;
	size_t count;
	size_t cap;
};

static int unmatched_add(struct differ *d, struct unmatched_list *all,
			 struct diff_name *dn, mapfs_ino id, enum side s)
{
	char *path;
	int err = array_reserve(&all->list, &all->cap, all->count + 1);

	if (!err)
		err = dir_path(d, dn->dir, dn->name, s, &path);
	if (err)
		return err;
	all->list[all->count++] = (struct unmatched){ dn, id, path };
	return 0;
}

static void unmatched_free(struct unmatched_list *all)
{
	for (size_t n = 0; n < all->count; n++)
		free(all->list[n].path);
	free(all->list);
}

static int by_id_and_path(const void *a, const void *b)
{
	const struct unmatched *x = a;
	const struct unmatched *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return strcmp(x->path, y->path);
}

/* Names of files that only the old side has, and that only the new has. */
static int collect_unmatched(struct differ *d, struct unmatched_list all[SIDES])
{
	int err = 0;

	for (struct diff_name *dn = d->names; dn && !err; dn = dn->hh.next) {
		struct name_target was = { 0 };
		struct name_target is = { 0 };

		err = name_target(d, dn, OLD, &was);
		if (!err)
			err = name_target(d, dn, NEW, &is);
		if (!err && was.id && !was.dir && !is.id)
			err = unmatched_add(d, &all[OLD], dn, was.id, OLD);
		else if (!err && is.id && !is.dir && !was.id)
			err = unmatched_add(d, &all[NEW], dn, is.id, NEW);
	}
	for (int s = OLD; s < SIDES; s++)
		if (all[s].count > 1)
			qsort(all[s].list, all[s].count, sizeof(*all[s].list),
			      by_id_and_path);
	return err;
}

int diff_renames_find(struct differ *d)
{
	struct unmatched_list all[SIDES] = { 0 };
	size_t i = 0;
	size_t j = 0;
	int err = collect_unmatched(d, all);

	while (!err && i < all[OLD].count && j < all[NEW].count) {
		struct unmatched *was = &all[OLD].list[i];
		struct unmatched *is = &all[NEW].list[j];

		if (was->id == is->id) {
			is->name->from = was->name;
			was->name->is_source = true;
		}
		i += was->id <= is->id;
		j += is->id <= was->id;
	}
	unmatched_free(&all[OLD]);
	unmatched_free(&all[NEW]);
	return err;
}

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
	char *path; /* borrowed */
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

static int by_id_and_path(const void *a, const void *b)
{
	const struct unmatched *x = a;
	const struct unmatched *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return strcmp(x->path, y->path);
}

static int by_id(const void *key, const void *element)
{
	const mapfs_ino *id = key;
	const struct unmatched *u = element;

	if (*id == u->id)
		return 0;
	return *id < u->id ? -1 : 1;
}

static bool has_id(const struct unmatched_list *all, mapfs_ino id)
{
	return all->count > 0 && bsearch(&id, all->list, all->count,
					 sizeof(*all->list), by_id) != NULL;
}

/*
 * The names of files that only side `s` has, sorted; `other` is NULL, or the
 * names of the other side: most new files have none among those, and need no
 * path here.
 */
static int collect_unmatched(struct differ *d, enum side s,
			     const struct unmatched_list *other,
			     struct unmatched_list *out)
{
	int err = 0;

	for (struct diff_name *dn = d->first_name; dn && !err; dn = dn->next) {
		struct name_target here = { 0 };
		struct name_target there = { 0 };

		err = name_target(d, dn, s, &here);
		if (!err)
			err = name_target(d, dn, s == OLD ? NEW : OLD, &there);
		if (!err && here.id && !here.dir && !there.id &&
		    (!other || has_id(other, here.id)))
			err = unmatched_add(d, out, dn, here.id, s);
	}
	if (out->count > 1)
		qsort(out->list, out->count, sizeof(*out->list),
		      by_id_and_path);
	return err;
}

int diff_renames_find(struct differ *d)
{
	struct unmatched_list all[SIDES] = { 0 };
	size_t i = 0;
	size_t j = 0;
	int err = collect_unmatched(d, OLD, NULL, &all[OLD]);

	if (!err && all[OLD].count > 0)
		err = collect_unmatched(d, NEW, &all[OLD], &all[NEW]);
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
	free(all[OLD].list);
	free(all[NEW].list);
	return err;
}

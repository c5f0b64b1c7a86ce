/* SPDX-License-Identifier: MIT */
#include "names.h"

#include <stdlib.h>

#include "core/lib/array.h"
#include "core/mapfs.h"

int names_add(struct name_list *l, const char *name)
{
	int err = array_reserve(&l->name, &l->cap, l->count + 1);

	if (!err)
		l->name[l->count++] = name;
	return err;
}

void names_fini(struct name_list *l)
{
	free(l->name);
	*l = (struct name_list){ 0 };
}

void names_lend(const struct name_list *l, struct mapfs_check_damage *d)
{
	d->snapshots = l->name;
	d->snapshot_count = l->count;
	d->is_present = l->is_present;
}

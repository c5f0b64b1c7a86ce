/* SPDX-License-Identifier: MIT */
#include "regions.h"

#include <stdlib.h>

#include "core/lib/array.h"

void regions_init(struct regions *r)
{
	*r = (struct regions){ .count = 0 };
	rmutex_init(&r->lock, RANK_INTENT);
}

int regions_make(struct regions *r, size_t count)
{
	int err = array_reserve(&r->list, &r->cap, count);

	while (!err && r->count < count)
		r->list[r->count++] = (struct region){ .writers = 0 };
	return err;
}

void regions_fini(struct regions *r)
{
	free(r->list);
	rmutex_fini(&r->lock);
}

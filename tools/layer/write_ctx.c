/* SPDX-License-Identifier: MIT */
#include "write_ctx.h"

#include "tools/lib/text.h"

struct layer_item *layer_item_find(struct layer_write *l, const char *path)
{
	struct layer_item *it;

	HASH_FIND_STR(l->items, path, it);
	return it;
}

void layer_partial_say(struct layer_write *l, const char *path,
		       const char *reason)
{
	say("%s: %s; the rest was in the base, which is gone, and is left out",
	    path, reason);
	l->is_partial = true;
}

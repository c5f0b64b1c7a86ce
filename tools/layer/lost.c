/* SPDX-License-Identifier: MIT */
#include "lost.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "tools/lib/text.h"

struct layer_lost {
	UT_hash_handle hh;
	char path[];
};

static int add(void *arg, const char *path, bool is_gone)
{
	struct layer_lost **all = arg;
	size_t n = strlen(path);
	struct layer_lost *one;

	if (!is_gone)
		return 0;
	say("%s: changed in the view, but gone from the base since; it may be "
	    "missing in the layer, see mapfs status",
	    path);
	one = calloc(1, sizeof(*one) + n + 1);
	if (!one)
		return -ENOMEM;
	memcpy(one->path, path, n);
	HASH_ADD_STR(*all, path, one);
	return 0;
}

int layer_lost_find(struct mapfs_view *view, struct layer_lost **out)
{
	*out = NULL;
	return mapfs_drift(view, add, out);
}

bool layer_lost_is_removed(struct layer_lost *all, const char *path)
{
	const char *slash = strrchr(path, '/');
	const struct layer_lost *above = NULL;
	const struct layer_lost *one;

	HASH_FIND_STR(all, path, one);
	if (one && slash)
		HASH_FIND(hh, all, path, (size_t)(slash - path), above);
	return one && !above;
}

void layer_lost_fini(struct layer_lost *all)
{
	struct layer_lost *one = all;
	struct layer_lost *next;

	/* Without the table the elements are still a list. */
	HASH_CLEAR(hh, all);
	for (; one; one = next) {
		next = one->hh.next;
		free(one);
	}
}

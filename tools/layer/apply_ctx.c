/* SPDX-License-Identifier: MIT */
#include "apply_ctx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/viewpath.h"

bool layer_seen_has(const struct layer_apply *l, const char *path)
{
	struct layer_seen *s;

	HASH_FIND_STR(l->seen, path, s);
	return s != NULL;
}

int layer_seen_add(struct layer_apply *l, const char *path)
{
	size_t n = strlen(path);

	while (n > 0) {
		struct layer_seen *s = calloc(1, sizeof(*s) + n + 1);

		if (!s)
			return -ENOMEM;
		memcpy(s->path, path, n);
		if (layer_seen_has(l, s->path)) {
			free(s);
			return 0;
		}
		HASH_ADD(hh, l->seen, path, (unsigned int)n, s);
		while (n > 0 && path[n - 1] != '/')
			n--;
		if (n > 0)
			n--;
	}
	return 0;
}

int layer_time_set(struct layer_apply *l, mapfs_ino ino,
		   const struct timespec *mtime)
{
	struct layer_dir_time *t;

	HASH_FIND(hh, l->times, &ino, sizeof(ino), t);
	if (t) {
		t->mtime = *mtime;
		return 1;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->ino = ino;
	t->mtime = *mtime;
	HASH_ADD(hh, l->times, ino, sizeof(t->ino), t);
	return 0;
}

int layer_time_keep(struct layer_apply *l, const struct mapfs_entry *dir)
{
	struct layer_dir_time *t;
	int err;

	HASH_FIND(hh, l->times, &dir->attr.ino, sizeof(dir->attr.ino), t);
	err = t ? 1 : layer_time_set(l, dir->attr.ino, &dir->attr.mtime);
	if (err)
		viewpath_put(l->view, dir);
	return err < 0 ? err : 0;
}

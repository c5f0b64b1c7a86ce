/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LAYER_LOST_H
#define MAPFS_TOOLS_LAYER_LOST_H

/*
 * What a view changed and its base lost since: a layer has of it what the
 * view has, but for files that others removed from a directory that is still
 * there.
 *
 * Lifetime: layer_lost_find() fills it, layer_lost_fini() ends it and accepts
 *           NULL.
 * Errors:   0 or a negative errno.
 * Locking:  one thread.
 */
#include "core/mapfs.h"

struct layer_lost;

/* Names each of them. */
int must_check layer_lost_find(struct mapfs_view *view,
			       struct layer_lost **out);
/* Is it one that others removed, and said so already? */
bool layer_lost_is_theirs(struct layer_lost *all, const char *path);
void layer_lost_fini(struct layer_lost *all);

#endif

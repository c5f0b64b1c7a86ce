/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LAYER_LOST_H
#define MAPFS_TOOLS_LAYER_LOST_H

/*
 * Lost objects: those that the view changed, and that were removed from the
 * base since.
 *
 * The layer contains the parts of a lost object that the view has.  An
 * exception is a file that was removed from a directory of the base that still
 * exists: its removal was intended, so the layer does not contain it.
 *
 * Lifetime: layer_lost_find() makes the set, layer_lost_fini() ends it and
 *           accepts NULL.
 * Errors:   0 or a negative errno.
 * Locking:  one thread.
 */
#include "core/mapfs.h"

struct layer_lost;

/* Finds them, and prints a sentence about each. */
int must_check layer_lost_find(struct mapfs_view *view,
			       struct layer_lost **out);
/* Was `path` removed from a directory of the base that still exists? */
bool layer_lost_is_removed(struct layer_lost *all, const char *path);
void layer_lost_fini(struct layer_lost *all);

#endif

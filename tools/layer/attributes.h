/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LAYER_ATTRIBUTES_H
#define MAPFS_TOOLS_LAYER_ATTRIBUTES_H

/*
 * The attributes of an entry of a layer: owner, permissions, modification time
 * and extended attributes.
 *
 * Lifetime: nothing is kept.
 * Errors:   0 or a negative errno; a sentence in l->why where the number says
 *           too little.
 * Locking:  one thread.
 */
#include <archive_entry.h>

#include "apply_ctx.h"

/* The object `ino` gets the attributes of the entry, and no others. */
int must_check layer_attributes_apply(struct layer_apply *l, mapfs_ino ino,
				      struct archive_entry *entry);

/*
 * A view of windows has a root of its own, whose attributes can neither be
 * changed nor belong to a layer.
 */
bool layer_root_is_fixed(struct mapfs_view *view);

#endif

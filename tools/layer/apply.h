/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LAYER_APPLY_H
#define MAPFS_TOOLS_LAYER_APPLY_H

/*
 * Reading a layer into a view of copy mode.
 *
 * Calling:  layer_apply_begin(), layer_apply_entry() for each entry in the
 *           order of the tar, layer_apply_end().
 * Lifetime: the view is borrowed until layer_apply_end().
 * Errors:   0 or a negative errno, after a sentence was printed; -EINTR
 *           without one.  After an error the view has a part of the layer.
 * Locking:  one thread.
 */
#include <archive.h>
#include <archive_entry.h>

#include "core/mapfs.h"

struct layer_apply;

int must_check layer_apply_begin(struct layer_apply **out,
				 struct mapfs_view *view);
/* One entry; its content is read from `a`. */
int must_check layer_apply_entry(struct layer_apply *l, struct archive *a,
				 struct archive_entry *entry);
/*
 * Sets the times of directories, if the layer is complete.  Frees `l`, also
 * after an error.
 */
int must_check layer_apply_end(struct layer_apply *l, bool is_complete);

#endif

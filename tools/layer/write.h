/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LAYER_WRITE_H
#define MAPFS_TOOLS_LAYER_WRITE_H

/*
 * Writing the difference of a view and its base as a layer.
 *
 * Lifetime: nothing is kept.
 * Errors:   0 or a negative errno, after a sentence was printed; -EINTR
 *           without one.
 * Locking:  one thread.
 */
#include <archive.h>

#include "core/mapfs.h"

/*
 * has_base false: the view was opened without its base.  *is_partial: some of
 * the changes are not in the layer, because the rest of the object was in the
 * base only, and the base is gone; each was named.
 */
int must_check layer_write(struct mapfs_view *view, bool has_base,
			   struct archive *a, bool *is_partial);

#endif

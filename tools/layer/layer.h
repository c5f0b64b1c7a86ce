/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LAYER_LAYER_H
#define MAPFS_TOOLS_LAYER_LAYER_H

/*
 * A layer of an OCI image: a tar of what was added or changed, and of empty
 * files whose names say what is gone.  It is read into a view of copy mode, by
 * inode number.
 *
 * Lifetime: layer_apply_begin() borrows the view until layer_apply_end().
 * Errors:   0 or a negative errno, after a sentence was said.
 * Locking:  one thread.
 */
#include <archive.h>
#include <archive_entry.h>

#include "core/mapfs.h"

#define LAYER_WHITEOUT ".wh."		 /* and the name that is gone */
#define LAYER_OPAQUE ".wh..wh..opq"	 /* all names of below are gone */
#define LAYER_META ".wh..wh."		 /* other things of AUFS */
#define LAYER_IO_BYTES ((size_t)1 << 20) /* read and written at once */

/* What is wrong with a layer that is being read. */
const char *layer_trouble(struct archive *a);

/* Reading a layer into a view, in the order of its entries. */
struct layer_apply;

int must_check layer_apply_begin(struct layer_apply **out,
				 struct mapfs_view *view);
/* One entry, its data read from `a`. */
int must_check layer_apply_entry(struct layer_apply *l, struct archive *a,
				 struct archive_entry *entry);
/* What can only be set at last; frees `l`, also after an error. */
int must_check layer_apply_end(struct layer_apply *l, bool is_complete);

/*
 * Writes the difference of a view and its base.  has_base false: the view was
 * opened without one.  *is_partial: of what was changed something is left out,
 * and was named, because parts of it were in the base only and are gone.
 */
int must_check layer_write(struct mapfs_view *view, bool has_base,
			   struct archive *a, bool *is_partial);

#endif

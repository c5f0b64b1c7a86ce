/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LAYER_CONTENT_H
#define MAPFS_TOOLS_LAYER_CONTENT_H

/*
 * The bytes of a regular file of a layer.
 *
 * Lifetime: nothing is kept.
 * Errors:   0 or a negative errno; -EINTR: the user wants the work to stop; a
 *           sentence in l->why where the number says too little.
 * Locking:  one thread.
 */
#include <archive.h>
#include <archive_entry.h>

#include "apply_ctx.h"

/* The file `ino` gets the content of the entry, which is read from `a`. */
int must_check layer_content_apply(struct layer_apply *l, mapfs_ino ino,
				   struct archive *a,
				   struct archive_entry *entry);

#endif

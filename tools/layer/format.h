/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LAYER_FORMAT_H
#define MAPFS_TOOLS_LAYER_FORMAT_H

/*
 * The format of a layer of an OCI image: a tar of the objects that were added
 * or changed, and of empty files whose names say what was deleted.
 *
 *   DIR/.wh.NAME       a whiteout: NAME of the layers below is deleted
 *   DIR/.wh..wh..opq   DIR is opaque: nothing of the layers below it shows
 *   .wh..wh.*          other marks of AUFS, which a reader ignores
 */
#include <archive.h>
#include <stddef.h>

#define LAYER_WHITEOUT ".wh."
#define LAYER_OPAQUE ".wh..wh..opq"
#define LAYER_META ".wh..wh."

#define LAYER_IO_BYTES ((size_t)1 << 20) /* read and written at once */
#define LAYER_DEPTH_MOST 2000		 /* directories one in another */

/* Why libarchive could not read a layer; borrowed from `a`. */
const char *layer_read_error(struct archive *a);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PARTITION_IMAGE_H
#define MAPFS_TOOLS_PARTITION_IMAGE_H

/*
 * A disk image: a regular file or a block device, opened for reading only.
 * Where the user may ask for that, reading does not change its access time.
 *
 * Lifetime: image_open() fills memory of the caller, image_close() ends it;
 *           `path` is borrowed until then.
 * Errors:   0 or a negative errno, and a sentence in `why`.  An object that is
 *           no image (a directory, a FIFO, an empty file) is -EINVAL, without
 *           a wait for it.
 * Locking:  none.
 */
#include "core/lib/reason.h"
#include "core/lib/types.h"

struct image {
	const char *path;
	int fd;
	uint64_t size_bytes;
	unsigned int sector_bytes; /* of a block device; 0: a file has none */
};

int must_check image_open(struct image *out, const char *path,
			  struct reason *why);
void image_close(struct image *im);
/* False: the image has no such bytes, or they cannot be read. */
bool image_read(const struct image *im, void *buf, size_t len, uint64_t off);

#endif

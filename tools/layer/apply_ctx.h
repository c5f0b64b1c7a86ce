/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LAYER_APPLY_CTX_H
#define MAPFS_TOOLS_LAYER_APPLY_CTX_H

/*
 * The state of reading a layer: the paths that it has written, and the times
 * that its directories get at the end.
 *
 * Lifetime: layer_apply_begin() to layer_apply_end().
 * Errors:   0 or a negative errno, without a sentence.
 * Locking:  one thread.
 */
#include <uthash.h>

#include "core/mapfs.h"

/* A path that the layer has written. */
struct layer_seen {
	UT_hash_handle hh;
	char path[];
};

/* A changed directory; it holds one lookup count, unless it is the root. */
struct layer_dir_time {
	UT_hash_handle hh;
	mapfs_ino ino;
	struct timespec mtime;
};

struct layer_apply {
	struct mapfs_view *view;
	struct layer_seen *seen;
	struct layer_dir_time *times;
	char *old_bytes;   /* LAYER_IO_BYTES */
	struct reason why; /* the entry cannot be applied; or empty */
};

bool layer_seen_has(const struct layer_apply *l, const char *path);
/* Adds the path and all directories above it. */
int must_check layer_seen_add(struct layer_apply *l, const char *path);

/*
 * The directory gets `mtime` at the end.  0: the caller's lookup count of it
 * was taken over; 1: the table had it already.
 */
int must_check layer_time_set(struct layer_apply *l, mapfs_ino ino,
			      const struct timespec *mtime);
/*
 * Called before names in a directory change: it keeps the time that it has
 * now.  Takes over the lookup count of `dir`, also on an error.
 */
int must_check layer_time_keep(struct layer_apply *l,
			       const struct mapfs_entry *dir);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LAYER_WRITE_CTX_H
#define MAPFS_TOOLS_LAYER_WRITE_CTX_H

/*
 * The state of writing a layer: what it will contain, by path, and the files
 * that have several names in it.
 *
 * Lifetime: layer_write() makes the only one, and ends it; items live as long.
 * Errors:   none.
 * Locking:  one thread.
 */
#include <archive.h>
#include <uthash.h>

#include "core/mapfs.h"
#include "lost.h"

/* What the layer contains for one path of the base or the view. */
struct layer_item {
	UT_hash_handle hh;
	bool is_object; /* else a whiteout */
	bool is_gone;	/* the object that the base has there is deleted */
	bool is_opaque; /* a directory with an opaque mark */
	bool is_whole;	/* all that is below it is in the layer */
	struct mapfs_attr attr;
	char *name; /* in the tar; NULL: it is not written */
	char path[];
};

/* A file with several names (hard links). */
struct layer_links {
	UT_hash_handle hh;
	mapfs_ino ino;
	uint32_t nlink;
	uint32_t known; /* of its names are in the layer */
	const char
		*written; /* its first name in the tar, borrowed from an item */
};

struct layer_write {
	struct mapfs_view *view;
	struct archive *archive;
	struct layer_item *items;
	struct layer_links *groups;
	uint64_t all_bytes;
	uint64_t done_bytes;
	char *buf;	 /* LAYER_IO_BYTES */
	bool is_said;	 /* a sentence about the error was printed */
	bool has_base;	 /* false: the view was opened without one */
	bool is_partial; /* something had to be left out */
	struct layer_lost *lost;
};

/* The item of a path, or NULL. */
struct layer_item *layer_item_find(struct layer_write *l, const char *path);

/*
 * Prints that a part of the object at `path` is left out, because the lost
 * base had it, and sets is_partial.
 */
void layer_partial_say(struct layer_write *l, const char *path,
		       const char *reason);

#endif
